/** Durable channels at their edges: what was found wrong once, each by its story. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isChannel } from '../../shared/channel.js'
import { Client } from './durable-client.js'
import { World } from './durable-world.js'

test('a stretch that was told as expired is not bridged by the ring', async (t) => {
  const world = await World.open(t, { settings: { messagesPerChannel: 3 } })
  const node = await world.node()
  const [stays, leaves] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  for (const client of [stays, leaves]) await client.connect(node)
  const had = await world.publish('orders.1')
  await world.settle(50)
  leaves.disconnect()
  node.cut()
  for (let at = 0; at < 6; at += 1) await world.publish('orders.1')
  node.join()
  await world.settle(3_000)
  const kept = [0, 4, 5, 6]
  assert.deepEqual(stays.numbers, kept)
  await leaves.connect(node)
  await world.settle(50)
  assert.deepEqual(leaves.recovered.at(-1), false)
  assert.deepEqual(leaves.gaps, [{ reason: 'expired', after: had, before: had + 4 }])
  assert.deepEqual(leaves.numbers, kept)
})

test('an end that comes while a subscription begins is told after it, once', async (t) => {
  const world = await World.open(t)
  const [one, other] = [await world.node(), await world.node()]
  const [client, stays] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  await client.connect(one)
  await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  // The ring of the other node begins behind the position, so that the history has to be read.
  for (let at = 0; at < 4; at += 1) await world.publish('orders.2')
  await stays.connect(other)
  const connecting = client.connect(other)
  await world.publish('orders.1', { 'Tidegate-End': '1' })
  const begun = await connecting
  assert.ok(begun.ok && begun.isDurable)
  assert.deepEqual([begun.recovered, begun.isEnded], [true, false])
  await world.settle(100)
  assert.deepEqual([client.numbers, client.hasEnded], [[0, 5], true])
})

test('a slow pattern goes on from what it has, and gets the rest once', async (t) => {
  const world = await World.open(t, { ringCountMax: 2 })
  const node = await world.node()
  const [slow, fast] = [new Client(world, 'orders.*'), new Client(world, 'orders.*')]
  for (let at = 0; at < 5; at += 1) await world.publish(`orders.${at % 2}`)
  for (const client of [slow, fast]) await client.connect(node)
  for (let at = 0; at < 10; at += 1) await world.publish(`orders.${at % 3}`)
  await world.settle(61_000)
  await world.publish('orders.1')
  await world.settle(50)
  slow.canTake = false
  for (let at = 0; at < 30; at += 1) await world.publish(`orders.${at % 4}`)
  await world.settle(100)
  slow.take()
  await world.settle(500)
  await world.publish('orders.0')
  await world.settle(50)
  const inOrder = [...new Set(slow.numbers)].sort((a, b) => a - b)
  assert.deepEqual(inOrder, fast.numbers)
  assert.equal(slow.gaps.length, 0)
  assert.ok(slow.numbers.length <= fast.numbers.length + 2, `${slow.numbers.length} came`)
})

test('one publication that is larger than a recovery may be is given alone', async (t) => {
  const world = await World.open(t, { limits: { recoveryBytesMax: 100 }, ringCountMax: 1 })
  const [one, other] = [await world.node(), await world.node()]
  const client = new Client(world, 'orders.1')
  await client.connect(one)
  await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  await world.publish('orders.1', {}, 900)
  await client.connect(other)
  await world.settle(50)
  assert.deepEqual(client.numbers, [0, 1])
  assert.deepEqual([client.gaps, client.recovered.at(-1)], [[], true])
})

test('a page of history is as of now, or it is no answer', async (t) => {
  let lag = 0
  const world = await World.open(t, { lag: () => lag })
  const node = await world.node()
  const name = 'orders.1'
  assert.ok(isChannel(name))
  const client = new Client(world, name)
  await client.connect(node)
  for (let at = 0; at < 4; at += 1) await world.publish(name)
  await world.settle(61_000)
  const whole = await world.until(node.hub.history(name, 0, 10))
  assert.deepEqual(whole.ok && whole.publications.map(({ offset }) => offset), [1, 2, 3, 4])
  lag = 3
  const late = await world.until(node.hub.history(name, 0, 10))
  assert.deepEqual(late, { ok: false, code: 'broker_unavailable' })
  lag = 0
  world.renew()
  await world.publish(name)
  const other = await world.until(node.hub.history(name, 0, 10))
  assert.ok(!other.ok || other.epoch === (await world.history.state('orders'))?.epoch)
})
