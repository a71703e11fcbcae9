/** Who begins, falls behind or leaves while others do, and while the history is being read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from './durable-client.js'
import { World } from './durable-world.js'

for (const count of [0, 300]) {
  test(`an end that comes behind ${count} during a recovery is not told before`, async (t) => {
    let meanwhile = async (): Promise<void> => {}
    const settings = { messagesPerChannel: 1_000 }
    const world = await World.open(t, { settings, meanwhile: () => meanwhile() })
    const [one, other] = [await world.node(), await world.node()]
    const client = new Client(world, 'orders.1')
    await client.connect(one)
    await world.publish('orders.1')
    await world.settle(50)
    client.disconnect()
    meanwhile = async () => {
      meanwhile = async () => {}
      for (let at = 0; at < count; at += 1) await world.publish('orders.1')
      await world.publish('orders.1', { 'Tidegate-End': '1' })
    }
    const begun = await client.connect(other)
    assert.ok(begun.ok && begun.isDurable)
    assert.deepEqual([begun.recovered, begun.isEnded], [true, false])
    await world.settle(100)
    assert.equal(client.numbers.length, count + 2)
    assert.deepEqual([client.gaps, client.hasEnded], [[], true])
  })
}

test('two patterns begin at once, one by a replica that lags: both get all', async (t) => {
  let lags: number[] = []
  const world = await World.open(t, { lag: () => lags.shift() ?? 0 })
  const [one, other] = [await world.node(), await world.node()]
  const clients = [new Client(world, 'orders.*'), new Client(world, 'orders.>')]
  for (const client of clients) {
    await client.connect(one)
    client.disconnect()
  }
  lags = [0, 2]
  const connected = Promise.all(clients.map((client) => client.connect(other)))
  await world.publish('orders.1')
  await world.publish('orders.1')
  await connected
  await world.settle(3_000)
  for (const { numbers, gaps } of clients) assert.deepEqual([numbers, gaps], [[0, 1], []])
})

test('a channel begins while its pattern does, by a replica that lags: both get all', async (t) => {
  let lag = 0
  let meanwhile = async (): Promise<void> => {}
  const world = await World.open(t, { lag: () => lag, meanwhile: () => meanwhile() })
  const [one, other] = [await world.node(), await world.node()]
  const [pattern, channel] = [new Client(world, 'orders.*'), new Client(world, 'orders.1')]
  for (const client of [pattern, channel]) {
    await client.connect(one)
    client.disconnect()
  }
  const connecting = [pattern.connect(other)]
  await world.publish('orders.1')
  await world.publish('orders.1')
  meanwhile = async () => {
    meanwhile = async () => void (lag = 0)
    lag = 2
    connecting.push(channel.connect(other))
  }
  await connecting[0]
  await Promise.all(connecting)
  await world.settle(3_000)
  for (const { numbers, gaps } of [pattern, channel])
    assert.deepEqual([numbers, gaps], [[0, 1], []])
})

test('who leaves during a look at all channels does not stop it', async (t) => {
  let meanwhile = async (): Promise<void> => {}
  const world = await World.open(t, { meanwhile: () => meanwhile() })
  const node = await world.node()
  // One more than linger: the first one's interest ends.
  const leaving = Array.from({ length: 101 }, (_, at) => new Client(world, `orders.${at}`))
  await Promise.all(leaving.map((client) => client.connect(node)))
  await world.settle(3_000)
  const { verifications } = node.hub.durable.counters
  node.cut()
  await world.publish('orders.away')
  meanwhile = async () => leaving.forEach((client) => client.disconnect())
  node.join()
  await world.settle(500)
  assert.equal(node.hub.interestCount, 100)
  assert.equal(node.hub.durable.counters.verifications, verifications + 1)
  assert.equal(node.hub.durable.get('orders')?.verified, 1)
})

test('who has left is not tried again when the history and the broker are back', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  await world.settle(3_000)
  const timers = world.clock.pending
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  client.canTake = false
  for (let at = 0; at < 102; at += 1) await world.publish('orders.1')
  await world.settle(2_000)
  world.history.switchTo(false)
  client.take()
  await world.settle(2_000)
  client.disconnect()
  await world.settle(40_000)
  assert.equal(node.hub.interestCount, 0)
  world.history.switchTo(true)
  node.cut()
  node.join()
  await world.settle(10_000)
  assert.equal(world.clock.pending, timers, 'nothing waits to be tried')
})

test('a slow pattern gets nothing of what came before it began', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  for (let at = 0; at < 3; at += 1) await world.publish('orders.1')
  const slow = new Client(world, 'orders.*')
  await slow.connect(node)
  assert.equal(node.hub.durable.get('orders')?.verified, 0)
  slow.canTake = false
  await world.publish('orders.1')
  await world.settle(50)
  slow.take()
  await world.settle(50)
  assert.deepEqual([slow.numbers, slow.gaps], [[3], []])
})

test('a slow pattern is not given again what it was given before it was live', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const [stays, slow] = [new Client(world, 'orders.*'), new Client(world, 'orders.*')]
  await stays.connect(node)
  await slow.connect(node)
  slow.disconnect()
  for (let at = 0; at < 3; at += 1) await world.publish('orders.1')
  await slow.connect(node)
  await world.settle(50)
  assert.deepEqual(slow.numbers, [0, 1, 2])
  assert.equal(node.hub.durable.get('orders')?.verified, 0)
  slow.canTake = false
  await world.publish('orders.1')
  slow.take()
  await world.settle(50)
  assert.deepEqual([slow.numbers, slow.gaps], [[0, 1, 2, 3], []])
})

test('a slow pattern goes on behind where too many channels were told', async (t) => {
  const world = await World.open(t, { limits: { patternChannelsMax: 2 } })
  const node = await world.node()
  const slow = new Client(world, 'orders.*')
  await slow.connect(node)
  for (const name of ['orders.1', 'orders.2', 'orders.3']) await world.publish(name)
  assert.deepEqual(slow.gaps, [{ reason: 'recovery_limit', after: 0, before: 3 }])
  assert.deepEqual(slow.numbers, [0, 1, 2])
  slow.canTake = false
  await world.publish('orders.3')
  slow.take()
  await world.settle(50)
  assert.deepEqual([...new Set(slow.numbers)], [0, 1, 2, 3])
  assert.ok(!slow.numbers.slice(3).includes(0), 'what came before the gap does not come again')
})

test('a slow subscriber whose history is away gets all of it before what comes live', async (t) => {
  const world = await World.open(t, { ringCountMax: 1 })
  const node = await world.node()
  const slow = new Client(world, 'orders.1')
  await slow.connect(node)
  slow.canTake = false
  for (let at = 0; at < 3; at += 1) await world.publish('orders.1')
  world.history.switchTo(false)
  slow.take()
  await world.settle(900)
  slow.take()
  assert.equal(slow.isLive, false)
  world.history.switchTo(true)
  await world.publish('orders.1')
  await world.settle(3_000)
  assert.deepEqual([slow.numbers, slow.gaps, slow.isLive], [[0, 1, 2, 3], [], true])
})

test('a slow subscriber that the budget has no room for waits until there is some', async (t) => {
  const world = await World.open(t, { ringCountMax: 1, limits: { recoveriesBytesMax: 3 } })
  const node = await world.node()
  const [first, second] = [new Client(world, 'orders.1'), new Client(world, 'orders.2')]
  for (const client of [first, second]) {
    await client.connect(node)
    client.canTake = false
    for (let at = 0; at < 3; at += 1) await world.publish(client.name)
  }
  first.take()
  first.canTake = false
  await world.settle(50)
  assert.equal(node.hub.durable.budget.bytes, 3)
  second.take()
  await world.settle(50)
  await world.publish('orders.2')
  await world.settle(50)
  assert.deepEqual(second.numbers, [])
  first.take()
  await world.settle(3_000)
  assert.deepEqual([second.numbers, second.gaps, second.isLive], [[3, 4, 5, 6], [], true])
})
