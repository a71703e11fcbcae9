/** The positions of a client that subscribes by frame are moved as PROTOCOL says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeptPositions } from '../kept-positions.js'

const epoch = 'aaaaaaaaaaaa'
const name = 'orders.1'

test('a new subscription is where live begins, and moves with what comes (PROTOCOL 14.2)', () => {
  const positions = new KeptPositions()
  positions.subscribed(name, { epoch, offset: 5, time: 70_000, verified: 9 }, false)
  assert.deepEqual(positions.of(name), { epoch, offset: 5, time: 70_000, verified: 9 })
  positions.publication(name, 12, 80_000)
  assert.deepEqual(positions.of(name), { epoch, offset: 12, time: 80_000, verified: 9 })
  positions.heartbeat({ orders: { epoch, offset: 20 }, other: { epoch, offset: 90 } })
  assert.deepEqual(positions.of(name), { epoch, offset: 12, time: 80_000, verified: 20 })
  positions.heartbeat({ orders: { epoch: 'bbbbbbbbbbbb', offset: 30 } })
  assert.equal(positions.of(name)?.verified, 20)
})

test('who came back with a position keeps it until the history is through', () => {
  const positions = new KeptPositions()
  positions.subscribed(name, { epoch, offset: 5, verified: 6 }, false)
  positions.subscribed(name, { epoch, offset: 9, time: 90_000, verified: 30 }, true)
  assert.deepEqual(positions.of(name), { epoch, offset: 5, verified: 6 })
  positions.publication(name, 7, 75_000)
  assert.deepEqual(positions.of(name), { epoch, offset: 7, time: 75_000, verified: 6 })
  positions.publication(name, 9, 90_000)
  assert.deepEqual(positions.of(name), { epoch, offset: 9, time: 90_000, verified: 30 })
})

test('who missed nothing has what was verified at once', () => {
  const positions = new KeptPositions()
  positions.subscribed(name, { epoch, offset: 5, time: 70_000 }, false)
  positions.subscribed(name, { epoch, offset: 5, verified: 30 }, true)
  assert.deepEqual(positions.of(name), { epoch, offset: 5, time: 70_000, verified: 30 })
})

test('a gap moves the position, and what was known of the place before it is forgotten', () => {
  const positions = new KeptPositions()
  positions.subscribed(name, { epoch, offset: 5, time: 70_000, verified: 9 }, false)
  positions.gap(name, { before: 12 })
  assert.deepEqual(positions.of(name), { epoch, offset: 11 })
  positions.gap(name, { epoch: 'bbbbbbbbbbbb', offset: 3 })
  assert.deepEqual(positions.of(name), { epoch: 'bbbbbbbbbbbb', offset: 3 })
  positions.publication(name, 4, 95_000)
  assert.deepEqual(positions.of(name), { epoch: 'bbbbbbbbbbbb', offset: 4, time: 95_000 })
})

test('a gap up to where live begins ends the history, that of another epoch does not', () => {
  const positions = new KeptPositions()
  positions.subscribed(name, { epoch, offset: 5, verified: 6 }, false)
  positions.subscribed(name, { epoch, offset: 40, verified: 57 }, true)
  positions.gap(name, { before: 41 })
  assert.deepEqual(positions.of(name), { epoch, offset: 40, verified: 57 })
  positions.subscribed(name, { epoch, offset: 90, verified: 99 }, true)
  positions.gap(name, { epoch: 'bbbbbbbbbbbb', offset: 0 })
  positions.publication(name, 91, 95_000)
  assert.deepEqual(positions.of(name), { epoch: 'bbbbbbbbbbbb', offset: 91, time: 95_000 })
})

test('who asks for the newest has no position before the first of them', () => {
  const positions = new KeptPositions()
  positions.subscribed(name, { epoch, offset: 9, verified: 12 }, true)
  assert.equal(positions.of(name), undefined)
  positions.publication(name, 8, 85_000)
  assert.deepEqual(positions.of(name), { epoch, offset: 8, time: 85_000 })
})

test('the position of a pattern is moved by heartbeats, and not by what comes', () => {
  const positions = new KeptPositions()
  const pattern = 'orders.*'
  positions.subscribed(pattern, { epoch, offset: 5, verified: 5 }, false)
  positions.publication(pattern, 8, 85_000)
  assert.equal(positions.of(pattern)?.offset, 5)
  positions.heartbeat({ orders: { epoch, offset: 9 } })
  assert.deepEqual(positions.of(pattern), { epoch, offset: 9, verified: 9 })
  positions.subscribed(pattern, { epoch, offset: 20, verified: 20 }, true)
  positions.publication(pattern, 15, 99_000)
  assert.equal(positions.of(pattern)?.offset, 9)
  // A gap may follow it still.
  positions.publication(pattern, 20, 99_000)
  assert.equal(positions.of(pattern)?.offset, 9)
  positions.publication(pattern, 21, 99_000)
  assert.equal(positions.of(pattern)?.offset, 20)
})
