/** The queue that sends what connections collect in a tick of the event loop. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlushQueue, whenRisen, type Flushable } from '../flush-queue.js'

/** Resolves after the check phase of this turn of the loop. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function noting(order: number[], name: number): Flushable {
  return { flush: () => void order.push(name) }
}

test('what is added in a tick is flushed at its end, once and in order', async () => {
  const queue = new FlushQueue()
  const order: number[] = []
  for (const name of [1, 2, 3]) queue.add(noting(order, name))
  await Promise.resolve()
  assert.deepEqual(order, [])
  await turn()
  assert.deepEqual(order, [1, 2, 3])
  await turn()
  assert.deepEqual(order, [1, 2, 3])
})

test('what is added while others are flushed leaves in the next turn', async () => {
  const queue = new FlushQueue()
  const order: number[] = []
  queue.add({ flush: () => queue.add(noting(order, 1)) })
  await turn()
  assert.deepEqual(order, [])
  await turn()
  assert.deepEqual(order, [1])
})

test('many are flushed in slices, and other events get their turn between', async () => {
  const queue = new FlushQueue()
  const order: number[] = []
  for (let name = 0; name < 4500; name += 1) queue.add(noting(order, name))
  const lengths: number[] = []
  while (order.length < 4500) {
    await turn()
    lengths.push(order.length)
  }
  assert.deepEqual(lengths, [2000, 4000, 4500])
  assert.deepEqual(order.slice(0, 3), [0, 1, 2])
})

test('over 50,000 frames everything leaves at once', async () => {
  const queue = new FlushQueue()
  const order: number[] = []
  queue.add(noting(order, 1))
  queue.add(noting(order, 2))
  for (let frame = 1; frame < 50_000; frame += 1) queue.countFrame()
  assert.deepEqual(order, [])
  queue.countFrame()
  assert.deepEqual(order, [1, 2])
  // The count begins anew, and what is added now leaves in its time.
  queue.add(noting(order, 3))
  queue.countFrame()
  assert.deepEqual(order, [1, 2])
  await turn()
  assert.deepEqual(order, [1, 2, 3])
})

test('flushAll sends everything now, what is added meanwhile too', async () => {
  const queue = new FlushQueue()
  const order: number[] = []
  queue.add({ flush: () => queue.add(noting(order, 2)) })
  queue.add(noting(order, 1))
  queue.flushAll()
  assert.deepEqual(order, [1, 2])
  await turn()
  assert.deepEqual(order, [1, 2])
})

test('the observer hears how long the first of a batch has waited', async () => {
  const delays: number[] = []
  const queue = new FlushQueue((delayMs) => delays.push(delayMs))
  queue.add(noting([], 1))
  const began = performance.now()
  while (performance.now() - began < 5);
  queue.add(noting([], 2))
  await turn()
  assert.equal(delays.length, 1)
  assert.ok((delays[0] ?? 0) >= 5)
})

test('an item that throws is told of, and keeps no other from its flush', async () => {
  const errors: unknown[] = []
  const queue = new FlushQueue(undefined, undefined, (error) => errors.push(error))
  const order: number[] = []
  const throwing: Flushable = {
    flush: () => {
      throw new Error('flush')
    },
  }
  queue.add(throwing)
  for (let name = 0; name < 3000; name += 1) queue.add(noting(order, name))
  await turn()
  await turn()
  assert.equal(order.length, 3000)
  queue.add(throwing)
  queue.add(noting(order, 3000))
  queue.flushAll()
  assert.equal(order.length, 3001)
  assert.deepEqual(errors.map(String), ['Error: flush', 'Error: flush'])
})

test('with whenRisen only batches that carry what is counted are observed', async () => {
  let count = 0
  const delays: number[] = []
  const queue = new FlushQueue(
    whenRisen(
      () => count,
      (delayMs) => delays.push(delayMs),
    ),
  )
  queue.add(noting([], 1))
  await turn()
  assert.equal(delays.length, 0)
  count += 1
  for (let name = 0; name < 4500; name += 1) queue.add(noting([], name))
  for (let slice = 1; slice <= 3; slice += 1) {
    await turn()
    assert.equal(delays.length, slice)
  }
  queue.add(noting([], 2))
  await turn()
  assert.equal(delays.length, 3)
})
