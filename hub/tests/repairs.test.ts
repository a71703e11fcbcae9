/** What a node says of what it missed itself: everything if it is there, a gap if it may not be. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from './durable-client.js'
import { World } from './durable-world.js'

/** Larger than what one round of a repair reads. */
const many = { count: 3_000, bytes: 900 }

test('a repair of several rounds delivers everything, and tells of no gap', async (t) => {
  const settings = { messagesPerChannel: 10_000 }
  const world = await World.open(t, { settings })
  const node = await world.node()
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  await world.publish('orders.1')
  await world.settle(50)
  node.cut()
  for (let at = 0; at < many.count; at += 1) await world.publish('orders.1', {}, many.bytes)
  node.join()
  await world.settle(3_000)
  await world.publish('orders.1')
  await world.settle(50)
  const all = Array.from({ length: many.count + 2 }, (_, number) => number)
  assert.deepEqual(client.numbers, all)
  assert.deepEqual(
    client.gaps.filter(({ reason }) => reason !== 'broker_disconnected'),
    [],
  )
})

test('of what limits removed before it was read, a repair of several rounds tells', async (t) => {
  const settings = { messagesPerChannel: many.count }
  const world = await World.open(t, { settings })
  const node = await world.node()
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  const last = await world.publish('orders.1')
  await world.settle(50)
  node.cut()
  for (let at = 0; at < many.count + 9; at += 1) await world.publish('orders.1', {}, many.bytes)
  node.join()
  await world.settle(3_000)
  assert.deepEqual(
    client.gaps.filter(({ reason }) => reason === 'expired'),
    [{ reason: 'expired', after: last, before: last + 10 }],
  )
  assert.equal(client.numbers.length, 1 + many.count)
})

test('limits that outrun the verified offset are no proof that nothing was lost', async (t) => {
  const settings = { maxBytes: 4_000 }
  const world = await World.open(t, { settings })
  const node = await world.node()
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  const burst = async (): Promise<void> => {
    for (let at = 0; at < 9; at += 1) await world.publish('orders.2', {}, 900)
  }
  await burst()
  await world.settle(61_000)
  world.isLosing = true
  const lost = await world.publish('orders.1')
  world.isLosing = false
  await burst()
  const found = await world.publish('orders.1')
  await world.settle(50)
  assert.deepEqual(client.numbers, [world.stored.length - 1])
  // The first is of the time before the burst, which nobody could look into either.
  const gaps = client.gaps.map(({ reason, after, before }) => [reason, after, before])
  assert.deepEqual(gaps, [
    ['expired', 0, lost],
    ['expired', lost - 1, found],
  ])
})

test('a known publication that is gone before its age hides no lost one', async (t) => {
  const settings = { maxBytes: 4_000 }
  const world = await World.open(t, { settings })
  const node = await world.node()
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  const known = await world.publish('orders.1')
  await world.settle(50)
  world.isLosing = true
  await world.publish('orders.1')
  for (let at = 0; at < 9; at += 1) await world.publish('orders.2', {}, 900)
  world.isLosing = false
  const found = await world.publish('orders.1')
  await world.settle(50)
  assert.deepEqual(client.gaps, [{ reason: 'expired', after: known, before: found }])
  assert.deepEqual(client.numbers, [0, world.stored.length - 1])
})
