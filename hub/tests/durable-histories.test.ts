/** Histories that are made anew, set back, late or away, and what is said of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from './durable-client.js'
import { World } from './durable-world.js'

test('what is too large is in no ring, so that its absence is not silent', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const [there, away] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  await there.connect(node)
  await away.connect(node)
  const first = await world.publish('orders.1')
  await world.settle(50)
  away.disconnect()
  await world.publish('orders.1', {}, 1_001)
  await world.publish('orders.1')
  await world.settle(50)
  assert.deepEqual(there.numbers, [0, 2])
  const gap = { reason: 'too_large', after: first, before: first + 2 }
  assert.deepEqual(there.gaps, [gap])
  await away.connect(node)
  assert.equal(away.numbers.length + away.gaps.length, 3)
})

test('a history made anew is a new epoch for everybody, and all of it is delivered', async (t) => {
  const world = await World.open(t)
  const [one, other] = [await world.node(), await world.node()]
  const [client, away] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  await client.connect(one)
  await away.connect(one)
  for (let at = 0; at < 3; at += 1) await world.publish('orders.1')
  await world.settle(50)
  away.disconnect()
  world.history.wipe('orders')
  await world.publish('orders.1')
  await world.settle(3_000)
  await world.publish('orders.1')
  await world.settle(50)
  assert.deepEqual(client.numbers, [0, 1, 2, 3, 4])
  assert.deepEqual(
    client.gaps.map(({ reason, after, offset }) => [reason, after, offset]),
    [['new_epoch', 3, 0]],
  )
  await away.connect(other)
  await world.settle(50)
  assert.deepEqual(away.recovered, [undefined, false])
  assert.deepEqual(away.numbers, [0, 1, 2, 3, 4])
  assert.equal(away.gaps[0]?.reason, 'new_epoch')
})

test('a rewound history is told to who is there and comes back (PROTOCOL 14.10)', async (t) => {
  const world = await World.open(t)
  const [one, other] = [await world.node(), await world.node()]
  const [client, away] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  await client.connect(one)
  await away.connect(one)
  for (let at = 0; at < 5; at += 1) await world.publish('orders.1')
  await world.settle(50)
  away.disconnect()
  world.history.rewind('orders', 2)
  await world.settle(2_000)
  assert.equal(client.gaps[0]?.reason, 'new_epoch')
  await away.connect(other)
  assert.deepEqual(away.recovered, [undefined, false])
  assert.equal(away.gaps[0]?.reason, 'new_epoch')
  for (let at = 0; at < 5; at += 1) await world.publish('orders.1')
  await world.settle(50)
  // What is kept of it comes again: nobody can tell up to where it is the old one.
  assert.deepEqual(client.numbers.slice(5), [0, 1, 5, 6, 7, 8, 9])
  assert.deepEqual(away.numbers.slice(5), [0, 1, 5, 6, 7, 8, 9])
})

test('a rewound history that outgrew what its node knew is told to who is there', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const [client, all] = [new Client(world, 'orders.1'), new Client(world, 'orders.*')]
  await client.connect(node)
  await all.connect(node)
  for (let at = 0; at < 5; at += 1) await world.publish('orders.1')
  await world.settle(50)
  node.cut()
  world.history.rewind('orders', 2)
  for (let at = 0; at < 8; at += 1) await world.publish(at < 4 ? 'orders.2' : 'orders.1')
  node.join()
  await world.settle(2_000)
  for (const { gaps, name } of [client, all]) {
    assert.deepEqual(
      gaps.map(({ reason }) => reason),
      ['new_epoch'],
      name,
    )
  }
  assert.deepEqual(client.numbers, [0, 1, 2, 3, 4, 0, 1, 9, 10, 11, 12])
  const again = all.numbers.slice(5).sort((a, b) => a - b)
  assert.deepEqual(again, [0, 1, 5, 6, 7, 8, 9, 10, 11, 12])
})

test('a rewound history that has grown past the position is told by its anchor', async (t) => {
  const world = await World.open(t)
  const [one, other] = [await world.node(), await world.node()]
  const client = new Client(world, 'orders.1')
  await client.connect(one)
  for (let at = 0; at < 5; at += 1) await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  world.history.rewind('orders', 2)
  for (let at = 0; at < 8; at += 1) await world.publish('orders.1')
  await client.connect(other)
  assert.deepEqual(client.recovered, [undefined, false])
  assert.equal(client.gaps[0]?.reason, 'new_epoch')
})

test('a rewound history with another channel in the place of the anchor', async (t) => {
  const world = await World.open(t)
  const [one, other] = [await world.node(), await world.node()]
  const client = new Client(world, 'orders.1')
  await client.connect(one)
  for (let at = 0; at < 3; at += 1) await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  world.history.rewind('orders', 1)
  for (const name of ['orders.1', 'orders.2', 'orders.1']) await world.publish(name)
  await client.connect(other)
  await world.settle(50)
  assert.deepEqual(client.recovered, [undefined, false])
  assert.equal(client.gaps[0]?.reason, 'new_epoch')
  assert.deepEqual(client.numbers, [0, 1, 2, 0, 3, 5])
})

test('a rewound history whose ring has let go of the place of the anchor', async (t) => {
  const world = await World.open(t, { ringCountMax: 2 })
  const node = await world.node()
  const [stays, client] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  await stays.connect(node)
  await client.connect(node)
  for (let at = 0; at < 2; at += 1) await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  world.history.rewind('orders', 1)
  await world.settle(2_000)
  for (let at = 0; at < 3; at += 1) await world.publish('orders.1')
  await world.settle(50)
  await client.connect(node)
  await world.settle(50)
  assert.equal(client.gaps[0]?.reason, 'new_epoch')
  assert.deepEqual(client.numbers, [0, 1, 0, 2, 3, 4])
})

test('a replica that lags is taken neither for an empty nor for a new history', async (t) => {
  let lag = 0
  const world = await World.open(t, { lag: () => lag })
  const [one, other] = [await world.node(), await world.node()]
  const client = new Client(world, 'orders.1')
  await client.connect(one)
  for (let at = 0; at < 5; at += 1) await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  for (let at = 0; at < 3; at += 1) await world.publish('orders.1')
  lag = 6
  world.clock.after(60, () => (lag = 1))
  assert.equal((await client.connect(other)).ok, true)
  lag = 0
  await world.publish('orders.1')
  await world.settle(200)
  assert.deepEqual(client.numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8])
  assert.deepEqual(client.gaps, [])
})

test('while the history is away nobody begins, and all go on when it is back', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  world.history.switchTo(false)
  const newcomer = new Client(world, 'orders.2')
  assert.deepEqual(await newcomer.connect(node), { ok: false, code: 'broker_unavailable' })
  world.history.switchTo(true)
  await world.settle(1_100)
  assert.equal((await newcomer.connect(node)).ok, true)
  await world.publish('orders.1')
  await world.publish('orders.2')
  await world.settle(50)
  assert.deepEqual([client.numbers, newcomer.numbers], [[0], [1]])
  assert.deepEqual(client.gaps, [])
})
