/** The positions that a WebSocket keeps: never beyond what has come. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeCursor } from '../../shared/cursor.js'
import { positionInCursor } from '../../shared/cursor-positions.js'
import type { Position } from '../../shared/position.js'
import { Positions } from '../positions.js'

const epoch = '5f0c3a9be214'
const other = 'a41b09c2d7e8'

function at(offset: number, more: Partial<Position> = {}): Position {
  return { epoch, offset, ...more }
}

test('PROTOCOL 14.2: a subscription that begins now takes what subscribed says', () => {
  const positions = new Positions()
  positions.begin('a', at(40, { time: 5, verified: 57 }), false)
  assert.deepEqual(positions.of('a'), at(40, { time: 5, verified: 57 }))
  positions.publication('a', 60, 9)
  assert.deepEqual(positions.of('a'), at(60, { time: 9, verified: 57 }))
  assert.equal(positions.of('b'), undefined)
})

test('PROTOCOL 14.2: who is behind keeps its own until everything up to live has come', () => {
  const positions = new Positions()
  positions.begin('a', at(10, { verified: 12 }), false)
  positions.begin('a', at(40, { verified: 57 }), true)
  positions.publication('a', 20, 2)
  assert.deepEqual(positions.of('a'), at(20, { time: 2, verified: 12 }))
  positions.publication('a', 40, 4)
  assert.deepEqual(positions.of('a'), at(40, { time: 4, verified: 57 }))
  positions.begin('a', at(40, { verified: 99 }), true)
  assert.deepEqual(positions.of('a'), at(40, { time: 4, verified: 99 }), 'nothing was missed')
})

test('with the newest so many there is no position before the first has come', () => {
  const positions = new Positions()
  positions.begin('a', at(40, { verified: 57 }), true)
  assert.equal(positions.of('a'), undefined)
  assert.equal(positions.cursor, undefined)
  positions.publication('a', 38, 3)
  assert.deepEqual(positions.of('a'), at(38, { time: 3 }))
  positions.begin('quiet', at(40, { verified: 57 }), true)
  positions.heartbeat({ default: { epoch, offset: 60 } })
  assert.deepEqual(positions.of('quiet'), at(40, { verified: 60 }))
})

test('PROTOCOL 14.2: a heartbeat raises what is verified, in its namespace and epoch', () => {
  const positions = new Positions()
  positions.begin('n.a', at(5, { verified: 7 }), false)
  positions.begin('m.a', at(5, { verified: 7 }), false)
  positions.begin('n.*', at(5, { verified: 7 }), false)
  positions.heartbeat({ n: { epoch, offset: 90 }, m: { epoch: other, offset: 90 } })
  assert.deepEqual(positions.of('n.a'), at(5, { verified: 90 }))
  assert.deepEqual(positions.of('m.a'), at(5, { verified: 7 }))
  assert.deepEqual(positions.of('n.*'), at(90, { verified: 90 }))
  positions.heartbeat({ n: { epoch, offset: 80 } })
  assert.deepEqual(positions.of('n.a'), at(5, { verified: 90 }), 'it never falls')
})

test('PROTOCOL 14.2: a gap sets the offset, and takes time and verified away', () => {
  const positions = new Positions()
  positions.begin('a', at(5, { time: 1, verified: 7 }), false)
  positions.gap({ type: 'gap', channel: 'a', reason: 'expired', after: 5, before: 30 })
  assert.deepEqual(positions.of('a'), at(29))
  const gap = { type: 'gap', channel: 'a', reason: 'new_epoch', epoch: other, offset: 3 } as const
  positions.gap(gap)
  assert.deepEqual(positions.of('a'), { epoch: other, offset: 3 })
  positions.publication('a', 4, 8)
  assert.deepEqual(positions.of('a'), { epoch: other, offset: 4, time: 8 })
})

test('PROTOCOL 14.7: publications do not move the position in a pattern', () => {
  const positions = new Positions()
  positions.begin('n.*', at(10), false)
  positions.publication('n.*', 12, 1)
  assert.deepEqual(positions.of('n.*'), at(10))
  positions.begin('n.*', at(40, { verified: 40 }), true)
  positions.publication('n.*', 30, 1)
  assert.deepEqual(positions.of('n.*'), at(10), 'its history is not through')
  positions.publication('n.*', 41, 1)
  assert.deepEqual(positions.of('n.*'), at(40, { verified: 40 }))
})

test('PROTOCOL 13.6: positions become a cursor, and a cursor positions again', () => {
  const positions = new Positions()
  positions.begin('n.a', at(5, { time: 70_000, verified: 9 }), false)
  positions.begin('m.b', { epoch: other, offset: 8, verified: 8 }, false)
  const cursor = decodeCursor(positions.cursor ?? '')
  assert.deepEqual(cursor && positionInCursor(cursor, 'n.a'), at(5, { time: 4_464, verified: 9 }))
  const again = Positions.of(cursor, ['n.a', 'm.b', 'x'])
  assert.deepEqual(again.of('m.b'), { epoch: other, offset: 8, verified: 8 })
  assert.equal(again.of('x'), undefined)
  assert.equal(again.cursor, positions.cursor)
})

test('more positions than a cursor has room for are no cursor, and none is lost', () => {
  const positions = new Positions()
  for (let count = 0; count <= 100; count++) positions.begin(`n.${count}`, at(5), false)
  assert.equal(positions.cursor, undefined)
  assert.deepEqual(positions.of('n.100'), at(5))
})
