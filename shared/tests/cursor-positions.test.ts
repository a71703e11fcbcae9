/** Positions to a cursor and back: what a client may go on with by another transport. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { cursorOf, positionInCursor } from '../cursor-positions.js'
import { channelHash, decodeCursor, encodeCursor, type Cursor } from '../cursor.js'
import { isSameTime, timeTagModulus, type Position } from '../position.js'

const [epochA, epochB] = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb']
const time = 1767225600123

/** Both hash to 0x3be7e5: so do two of 16 channels once in 140,000 cursors. */
const colliding = ['c.536', 'c.6852'] as const

/** As it comes back from a client that was handed it as a string. */
function handed(cursor: Cursor): Cursor {
  const decoded = decodeCursor(encodeCursor(cursor))
  assert.ok(decoded)
  return decoded
}

test('a position survives the way through a cursor (PROTOCOL 13.6)', () => {
  const position = { epoch: epochA, offset: 40, time, verified: 50 }
  const cursor = handed(cursorOf([{ name: 'orders.42', position }]))
  const back = positionInCursor(cursor, 'orders.42', epochA)
  assert.deepEqual(back, { ...position, time: time % timeTagModulus })
  assert.ok(isSameTime(back.time, time))
  assert.equal(positionInCursor(cursor, 'orders.43', epochA), undefined)
})

test('without a time, or with one whose tag is 0, there is no anchor (PROTOCOL 13.6)', () => {
  for (const more of [{}, { time: 0 }, { time: 65_536 * 1_000 }]) {
    const position = { epoch: epochA, offset: 40, ...more }
    const back = positionInCursor(handed(cursorOf([{ name: 'a', position }])), 'a')
    assert.deepEqual(back, { epoch: epochA, offset: 40, verified: 40 })
  }
})

test('the verified offset is the least of what the channels have (PROTOCOL 13.6)', () => {
  const entries = [
    { name: 'o.1', position: { epoch: epochA, offset: 10, time, verified: 90 } },
    { name: 'o.2', position: { epoch: epochA, offset: 95, time, verified: 80 } },
    { name: 'o.3', position: { epoch: epochA, offset: 60, time } },
  ]
  const cursor = handed(cursorOf(entries))
  const verified = entries.map(({ name }) => positionInCursor(cursor, name)?.verified)
  assert.deepEqual(verified, [60, 95, 60])
})

test('each epoch has a section, and ephemeral channels keep theirs (PROTOCOL 13.6)', () => {
  const ephemeral = { node: '0123456789abcdef', arrival: 7, channels: [channelHash('live')] }
  const entries = [
    { name: 'o.1', position: { epoch: epochB, offset: 1 } },
    { name: 'p.1', position: { epoch: epochA, offset: 2 } },
    { name: 'o.2', position: { epoch: epochB, offset: 3 } },
  ]
  const cursor = handed(cursorOf(entries, ephemeral))
  assert.deepEqual(cursor.ephemeral, ephemeral)
  assert.deepEqual(
    cursor.durable?.map(({ epoch, channels }) => [epoch, channels.length]),
    [
      [epochA, 1],
      [epochB, 2],
    ],
  )
  assert.deepEqual(cursorOf([]), {})
})

test('the position in the wanted epoch goes before one in another (PROTOCOL 13.6)', () => {
  const [one, other] = colliding
  const cursor = handed(
    cursorOf([
      { name: one, position: { epoch: epochA, offset: 1 } },
      { name: other, position: { epoch: epochB, offset: 2 } },
    ]),
  )
  assert.equal(positionInCursor(cursor, other, epochB)?.offset, 2)
  assert.equal(positionInCursor(cursor, one, epochA)?.offset, 1)
  assert.equal(positionInCursor(cursor, one, 'cccccccccccc')?.epoch, epochA)
})

test('of two channels with one hash nobody gets ahead of what it has (PROTOCOL 13.6)', () => {
  assert.equal(channelHash(colliding[0]), channelHash(colliding[1]))
  const offsets = [40, 70]
  const entries = colliding.map((name, at) => ({
    name,
    position: { epoch: epochA, offset: offsets[at] as number, time, verified: 60 },
  }))
  const cursor = handed(cursorOf(entries))
  for (const name of colliding) {
    const position = { epoch: epochA, offset: 40, verified: 60 }
    assert.deepEqual(positionInCursor(cursor, name), position)
  }
})

const positions: fc.Arbitrary<Position> = fc
  .record(
    {
      epoch: fc.constantFrom(epochA, epochB),
      offset: fc.oneof(fc.nat(100), fc.maxSafeNat()),
      time: fc.maxSafeNat(),
      verified: fc.oneof(fc.nat(100), fc.maxSafeNat()),
    },
    { requiredKeys: ['epoch', 'offset'], noNullPrototype: true },
  )
  .map((position) => position as Position)

test('no position comes back with more than it said (PROTOCOL 13.6)', () => {
  fc.assert(
    fc.property(fc.array(positions, { maxLength: 16 }), (list) => {
      const entries = list.map((position, at) => ({ name: `orders.${at}`, position }))
      const cursor = handed(cursorOf(entries))
      for (const { name, position } of entries) {
        const back = positionInCursor(cursor, name, position.epoch)
        assert.ok(back)
        assert.equal(back.epoch, position.epoch)
        assert.equal(back.offset, position.offset)
        assert.equal(back.time ?? 0, (position.time ?? 0) % timeTagModulus)
        const verified = Math.max(position.offset, position.verified ?? 0)
        assert.ok((back.verified as number) <= verified && (back.verified as number) >= back.offset)
      }
    }),
    { numRuns: 1000 },
  )
})
