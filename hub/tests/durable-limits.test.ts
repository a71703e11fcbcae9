/** What limits have removed, or hardly allow: given or said, and nothing reaches across it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from './durable-client.js'
import { World, type WorldNode } from './durable-world.js'

/** On one node a channel of which its client has the first, and all that is kept after a loss. */
async function afterLoss(world: World): Promise<{ node: WorldNode; away: Client }> {
  const node = await world.node()
  const [there, away] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  await there.connect(node)
  await away.connect(node)
  await world.publish('orders.1')
  await world.settle(50)
  away.disconnect()
  node.cut()
  for (let at = 0; at < 6; at += 1) await world.publish('orders.1')
  node.join()
  await world.settle(500)
  assert.deepEqual(there.gaps, [{ reason: 'expired', after: 1, before: 5 }])
  assert.deepEqual(there.numbers, [0, 4, 5, 6])
  return { node, away }
}

test('no ring bridges a stretch that has expired: who comes back is told of it', async (t) => {
  const world = await World.open(t, { settings: { messagesPerChannel: 3 } })
  const { node, away } = await afterLoss(world)
  await away.connect(node)
  assert.deepEqual(away.recovered, [undefined, false])
  assert.deepEqual(away.gaps, [{ reason: 'expired', after: 1, before: 5 }])
  assert.deepEqual(away.numbers, [0, 4, 5, 6])
})

test('nor does one if the look at a pattern has found that it expired', async (t) => {
  let meanwhile = async (): Promise<void> => {}
  const world = await World.open(t, {
    settings: { messagesPerChannel: 3 },
    meanwhile: () => meanwhile(),
  })
  const node = await world.node()
  const [pattern, away] = [new Client(world, 'orders.*'), new Client(world, 'orders.1')]
  await pattern.connect(node)
  await away.connect(node)
  for (const name of ['orders.2', 'orders.1']) await world.publish(name)
  await world.settle(3_000)
  away.disconnect()
  // After the look at the channel, before the one at the pattern; the first one is at the newest.
  let looks = 0
  meanwhile = async () => {
    looks += 1
    if (looks !== 2) return
    world.isLosing = true
    for (let at = 0; at < 6; at += 1) await world.publish('orders.1')
    world.isLosing = false
  }
  node.cut()
  node.join()
  await world.settle(500)
  assert.deepEqual(pattern.gaps, [{ reason: 'expired', after: 2, before: 6 }])
  await away.connect(node)
  assert.deepEqual(away.recovered, [undefined, false])
  assert.deepEqual(away.gaps, [{ reason: 'expired', after: 2, before: 6 }])
  assert.deepEqual(away.numbers, [1, 5, 6, 7])
})

test('behind a stretch that has expired a ring begins anew, and serves from there', async (t) => {
  const world = await World.open(t, { settings: { messagesPerChannel: 3 } })
  const { node, away } = await afterLoss(world)
  await away.connect(node)
  away.disconnect()
  await world.publish('orders.1')
  await world.settle(50)
  world.history.switchTo(false)
  await away.connect(node)
  assert.deepEqual(away.recovered, [undefined, false, true])
  assert.deepEqual(away.numbers, [0, 4, 5, 6, 7])
})

test('one publication larger than a recovery gives is given all the same', async (t) => {
  const world = await World.open(t, { limits: { recoveryBytesMax: 100 } })
  const [one, other] = [await world.node(), await world.node()]
  const client = new Client(world, 'orders.1')
  await client.connect(one)
  client.disconnect()
  await world.publish('orders.1', {}, 500)
  await client.connect(other)
  assert.deepEqual([client.recovered, client.numbers], [[undefined, true], [0]])
  client.disconnect()
  for (let at = 0; at < 3; at += 1) await world.publish('orders.1', {}, 500)
  const back = await world.node()
  await client.connect(back)
  assert.deepEqual(client.recovered, [undefined, true, false])
  assert.deepEqual(client.numbers, [0, 1])
  assert.deepEqual(client.gaps, [{ reason: 'recovery_limit', after: 2, before: 5 }])
})

for (const name of ['orders.1', 'orders.*']) {
  test(`a slow ${name} gets past publications larger than a recovery gives`, async (t) => {
    const world = await World.open(t, { ringCountMax: 1, limits: { recoveryBytesMax: 100 } })
    const node = await world.node()
    const slow = new Client(world, name)
    await slow.connect(node)
    await world.publish('orders.1')
    slow.canTake = false
    for (let at = 0; at < 5; at += 1) await world.publish('orders.1', {}, 500)
    await world.settle(50)
    slow.take()
    await world.settle(900)
    await world.publish('orders.1')
    await world.settle(200)
    // A pattern may be given again what lies beyond its verified offset.
    assert.deepEqual([...new Set(slow.numbers)], [0, 1, 2, 3, 4, 5, 6])
    assert.deepEqual(slow.gaps, [])
    assert.equal(slow.isLive, true)
    const [planner] = node.hub.durable.planners.values()
    assert.ok((planner?.counters.requests ?? 0) < 20, 'it does not read the same again and again')
    assert.equal(planner?.waiting, 0)
    assert.equal(node.hub.durable.budget.bytes, 0)
  })
}
