/** Durable channels by name: what is missed, where it comes from, and what is said if it cannot. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from './durable-client.js'
import { World } from './durable-world.js'

test('a subscriber that returns with its position gets exactly what it missed', async (t) => {
  const world = await World.open(t)
  const [one, other] = [await world.node(), await world.node()]
  const client = new Client(world, 'orders.1')
  await client.connect(one)
  for (let at = 0; at < 3; at += 1) await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  for (let at = 0; at < 4; at += 1) await world.publish(at % 2 ? 'orders.2' : 'orders.1')
  await client.connect(other)
  await world.publish('orders.1')
  await world.settle(50)
  assert.deepEqual(client.numbers, [0, 1, 2, 3, 5, 7])
  assert.deepEqual(client.recovered, [undefined, true])
  assert.deepEqual(client.gaps, [])
})

test('who comes back to the same node is served by its ring, without the history', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  await world.publish('orders.1')
  await world.publish('orders.1')
  await world.settle(50)
  world.history.switchTo(false)
  await client.connect(node)
  assert.deepEqual(client.numbers, [0, 1, 2])
  assert.deepEqual(node.hub.durable.counters.recoveries.recovered, { ring: 1, history: 0 })
})

test('a ring serves who is behind what was verified since, as nothing lay between', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const [stays, client] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  await world.publish('orders.1')
  await stays.connect(node)
  await client.connect(node, 1)
  client.disconnect()
  await world.publish('orders.2')
  await world.settle(61_000)
  await world.publish('orders.1')
  await world.settle(50)
  world.history.switchTo(false)
  await client.connect(node)
  assert.deepEqual(client.numbers, [0, 2])
})

test('an emptied ring falls back to the history, and loses nothing', async (t) => {
  const world = await World.open(t, { ringCountMax: 2 })
  const node = await world.node()
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  for (let at = 0; at < 9; at += 1) await world.publish('orders.1')
  await world.settle(50)
  await client.connect(node)
  assert.deepEqual(client.numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.deepEqual(node.hub.durable.counters.recoveries.recovered, { ring: 0, history: 1 })
})

test('a gap in one channel names, for a pattern, what the others may miss', async (t) => {
  const settings = { messagesPerChannel: 2 }
  const world = await World.open(t, { settings })
  const node = await world.node()
  const client = new Client(world, 'orders.*')
  await client.connect(node)
  await world.publish('orders.1')
  world.isLosing = true
  for (const name of ['orders.2', 'orders.1', 'orders.1', 'orders.1']) await world.publish(name)
  world.isLosing = false
  await world.publish('orders.1')
  await world.settle(50)
  assert.deepEqual(client.numbers, [0, 4, 5])
  assert.deepEqual(client.gaps, [{ reason: 'expired', after: 0, before: 5 }])
})

test('a publication lost on the way is repaired before the next one is delivered', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  await world.publish('orders.1')
  world.isLosing = true
  await world.publish('orders.1')
  await world.publish('orders.1')
  world.isLosing = false
  await world.publish('orders.1')
  await world.settle(100)
  assert.deepEqual(client.numbers, [0, 1, 2, 3])
  assert.deepEqual(client.gaps, [])
})

test('a lost last publication is found without another one after it', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  world.isLosing = true
  await world.publish('orders.1')
  await world.settle(2_000)
  assert.deepEqual(client.numbers, [0], 'by the second look at a new interest')
  await world.publish('orders.1')
  await world.settle(61_000)
  assert.deepEqual(client.numbers, [0, 1], 'by the slow look at all channels')
})

test('stored, not republished, the node dies unaware, resumed elsewhere: it arrives', async (t) => {
  let lost = ''
  const world = await World.open(t, { wire: (subject) => (subject === lost ? 'lost' : 'arrives') })
  const [dying, other] = [await world.node(), await world.node()]
  const [a, b] = [new Client(world, 'orders.a'), new Client(world, 'orders.b')]
  await a.connect(dying)
  await b.connect(dying)
  await world.publish('orders.b')
  // Long ago verified, with nothing to hide.
  await world.settle(61_000)
  for (const client of [a, b]) client.hearVerified()
  lost = 'rt.live.orders.b'
  await world.publish('orders.b')
  await world.publish('orders.a')
  await world.settle(20)
  assert.deepEqual([a.numbers, b.numbers], [[2], [0]])
  // A heartbeat just before the end says what was verified, not the highest offset seen.
  for (const client of [a, b]) client.hearVerified()
  lost = ''
  await a.connect(other)
  await b.connect(other)
  await world.settle(50)
  assert.deepEqual([a.numbers, b.numbers], [[2], [0, 1]])
  assert.deepEqual(b.recovered, [undefined, true])
})

test('a channel quiet for longer than maxAge: its client resumes and is recovered', async (t) => {
  const world = await World.open(t, { settings: { maxAgeSeconds: 600 } })
  const [one, other] = [await world.node(), await world.node()]
  const client = new Client(world, 'orders.1')
  const busy = new Client(world, 'orders.busy')
  await client.connect(one)
  await busy.connect(one)
  await world.publish('orders.1')
  for (let minute = 0; minute < 20; minute += 1) {
    world.clock.advance(59_000)
    await world.settle(1_000)
    await world.publish('orders.busy')
    client.hearVerified()
  }
  client.disconnect()
  assert.ok((await world.history.state('orders'))!.first > 1, 'its last publication has expired')
  await world.settle(1_000)
  await client.connect(other)
  assert.deepEqual(client.recovered, [undefined, true])
  await world.publish('orders.1')
  await world.settle(50)
  assert.deepEqual(client.numbers, [0, 21])
  assert.deepEqual(client.gaps, [])
})

test('what limits have removed meanwhile is a gap with its bounds', async (t) => {
  const world = await World.open(t, { settings: { messagesPerChannel: 3 } })
  const [one, other] = [await world.node(), await world.node()]
  const client = new Client(world, 'orders.1')
  await client.connect(one)
  const first = await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  for (let at = 0; at < 5; at += 1) await world.publish('orders.1')
  await client.connect(other)
  assert.deepEqual(client.recovered, [undefined, false])
  assert.deepEqual(client.gaps, [{ reason: 'expired', after: first, before: first + 3 }])
  assert.deepEqual(client.numbers, [0, 3, 4, 5])
})

test('more than one recovery gives is said, with where it goes on', async (t) => {
  const world = await World.open(t, { limits: { recoveryCountMax: 10 } })
  const [one, other] = [await world.node(), await world.node()]
  const client = new Client(world, 'orders.1')
  await client.connect(one)
  client.disconnect()
  for (let at = 0; at < 25; at += 1) await world.publish('orders.1')
  await client.connect(other)
  await world.publish('orders.1')
  await world.settle(50)
  assert.deepEqual(client.recovered, [undefined, false])
  assert.deepEqual(client.numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 25])
  assert.deepEqual(client.gaps, [{ reason: 'recovery_limit', after: 10, before: 26 }])
})

test('a node cut off from the broker repairs all its channels when it is back', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const clients = Array.from({ length: 20 }, (_, at) => new Client(world, `orders.${at}`))
  for (const client of clients) await client.connect(node)
  node.cut()
  for (let round = 0; round < 3; round += 1) {
    for (const { name } of clients) await world.publish(name)
  }
  node.join()
  await world.settle(500)
  for (const [at, { numbers, gaps }] of clients.entries()) {
    assert.deepEqual(numbers, [at, at + 20, at + 40])
    assert.deepEqual(gaps, [])
  }
})

test('after an outage a node with thousands of channels is repaired by one scan', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const clients = Array.from({ length: 5_000 }, (_, at) => new Client(world, `orders.${at}`))
  await Promise.all(clients.map((client) => client.connect(node)))
  node.cut()
  for (const { name } of clients) await world.publish(name)
  node.join()
  await world.settle(2_000)
  assert.ok(clients.every(({ numbers, gaps }, at) => numbers[0] === at && gaps.length === 0))
  const [planner] = node.hub.durable.planners.values()
  assert.equal(planner?.counters.scans, 1)
})

test('a slow subscriber is caught up at its own pace, and then is live again', async (t) => {
  const world = await World.open(t, { ringCountMax: 5 })
  const node = await world.node()
  const [slow, fast] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  await slow.connect(node)
  await fast.connect(node)
  await world.publish('orders.1')
  slow.canTake = false
  for (let at = 0; at < 30; at += 1) await world.publish('orders.1')
  await world.settle(50)
  assert.equal(fast.numbers.length, 31)
  assert.equal(slow.numbers.length, 1)
  slow.take()
  await world.settle(50)
  await world.publish('orders.1')
  assert.deepEqual(slow.numbers, fast.numbers)
  assert.equal(slow.isLive, true)
  assert.deepEqual(slow.gaps, [])
})

test('the newest n come first, then live', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  for (let at = 0; at < 6; at += 1) await world.publish('orders.1')
  for (const count of [1, 4, 100]) {
    const client = new Client(world, 'orders.1')
    await client.connect(node, count)
    await world.settle(50)
    assert.deepEqual(client.numbers, [0, 1, 2, 3, 4, 5].slice(-count))
    client.disconnect()
  }
})

test('a channel that has ended says so to who is there, and to who comes later', async (t) => {
  const world = await World.open(t)
  const [one, other] = [await world.node(), await world.node()]
  const [client, away] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  await client.connect(one)
  await away.connect(one)
  await world.publish('orders.1')
  await world.settle(50)
  away.disconnect()
  await world.publish('orders.1', { 'Tidegate-End': '1' })
  await world.settle(50)
  assert.deepEqual([client.numbers, client.hasEnded], [[0, 1], true])
  const begun = await away.connect(other)
  assert.ok(begun.ok && begun.isDurable && !begun.isEnded)
  assert.deepEqual([away.numbers, away.hasEnded], [[0, 1], true])
  const late = new Client(world, 'orders.1')
  const nothing = await late.connect(other)
  assert.ok(nothing.ok && nothing.isDurable && nothing.isEnded)
  assert.deepEqual([late.numbers, late.hasEnded], [[], true])
})

test('a pattern gets every channel once, and recovers from its verified offset', async (t) => {
  const world = await World.open(t)
  const [one, other] = [await world.node(), await world.node()]
  const [pattern, channel] = [new Client(world, 'orders.*'), new Client(world, 'orders.1')]
  await pattern.connect(one)
  await channel.connect(one)
  for (let at = 0; at < 6; at += 1) await world.publish(`orders.${at % 3}`)
  await world.settle(50)
  assert.deepEqual(pattern.numbers, [0, 1, 2, 3, 4, 5])
  assert.deepEqual(channel.numbers, [1, 4])
  assert.equal(
    pattern.heard.every((one) => !('payload' in one) || one.pattern === 'orders.*'),
    true,
  )
  await world.settle(61_000)
  pattern.hearVerified()
  pattern.disconnect()
  for (let at = 0; at < 4; at += 1) await world.publish(`orders.new-${at}`)
  await pattern.connect(other)
  await world.settle(50)
  assert.deepEqual(pattern.numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.deepEqual(pattern.recovered, [undefined, true])
})
