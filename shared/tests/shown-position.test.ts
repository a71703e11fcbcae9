/** What a client shows to go on, and which position in a channel that is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeCursor } from '../cursor.js'
import { cursorOf } from '../cursor-positions.js'
import { isCursor, positionShown, readShownPosition } from '../shown-position.js'

const epoch = '5f0c3a9be214'
const position = { epoch, offset: 12, time: 1767225600123, verified: 40 }

test('a position and the cursor that holds it show the same place (PROTOCOL 13.6)', () => {
  const shown = readShownPosition(encodeCursor(cursorOf([{ name: 'orders.42', position }])))
  assert.ok(typeof shown !== 'string' && isCursor(shown))
  const time = position.time % 65_536
  assert.deepEqual(positionShown(shown, 'orders.42'), { ...position, time })
  assert.deepEqual(positionShown(position, 'orders.42'), position)
})

test('a cursor that does not cover the channel shows no position (PROTOCOL 4.18)', () => {
  const shown = readShownPosition(encodeCursor(cursorOf([{ name: 'orders.42', position }])))
  assert.ok(typeof shown !== 'string')
  assert.equal(positionShown(shown, 'orders.43'), undefined)
  assert.equal(positionShown({}, 'orders.42'), undefined)
})

test('of two histories in a cursor the one of the channel counts (PROTOCOL 13.6)', () => {
  const other = { epoch: 'a41b09c2d7e8', offset: 3 }
  const names = [
    { name: 'orders.42', position },
    { name: 'orders.42', position: other },
  ]
  const shown = readShownPosition(encodeCursor(cursorOf(names)))
  assert.ok(typeof shown !== 'string')
  for (const each of [epoch, other.epoch]) {
    assert.equal(positionShown(shown, 'orders.42', each)?.epoch, each)
  }
})

test('any value at all is a position, a cursor or a sentence (PROTOCOL 4.5)', () => {
  const members = fc.record({ epoch: fc.constantFrom(epoch, 'x'), offset: fc.anything() })
  const value = fc.oneof(fc.string(), fc.base64String(), members, fc.anything())
  fc.assert(
    fc.property(value, (given) => {
      const shown = readShownPosition(given)
      if (typeof shown === 'string') assert.match(shown, /^.{5,100}$/)
      else positionShown(shown, 'orders.42')
    }),
    { numRuns: 2000 },
  )
})
