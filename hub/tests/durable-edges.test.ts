/** Where durable channels end, begin or are cut short: nothing bridges what is missing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Channel } from '../../shared/channel.js'
import { Client, numberOf } from './durable-client.js'
import { World, type Fate } from './durable-world.js'
import { Gate } from './gate.js'

/** One who writes down how much it had heard whenever the end was told. */
class EndClient extends Client {
  readonly ends: number[] = []

  override ended(): void {
    super.ended()
    this.ends.push(this.numbers.length)
  }
}

const channel = 'orders.1' as Channel
const end = { 'Tidegate-End': '1' }

async function publishMany(world: World, channel: string, count: number, bytes = 0): Promise<void> {
  for (let at = 0; at < count; at += 1) await world.publish(channel, {}, bytes)
}

async function within(world: World, ms: number, isSo: () => boolean): Promise<void> {
  for (let passed = 0; !isSo() && passed < ms; passed += 5) await world.settle(5)
  assert.ok(isSo(), `it has not come about within ${ms} ms`)
}

async function waitedFor(world: World, gate: Gate): Promise<void> {
  await within(world, 2_000, () => gate.isWaitedFor)
}

test('a ring does not reach across what had expired before its node could read it', async (t) => {
  const settings = { messagesPerChannel: 3 }
  const world = await World.open(t, { settings })
  const node = await world.node()
  const [stays, client] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  for (const one of [stays, client]) await one.connect(node)
  const last = await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  world.isLosing = true
  await publishMany(world, 'orders.1', 5)
  world.isLosing = false
  await world.publish('orders.1')
  await world.settle(100)
  const gap = { reason: 'expired', after: last, before: last + 4 }
  assert.deepEqual([stays.numbers, stays.gaps], [[0, 4, 5, 6], [gap]])
  await client.connect(node)
  assert.deepEqual(client.recovered, [undefined, false])
  assert.deepEqual([client.numbers, client.gaps], [[0, 4, 5, 6], [gap]])
})

test('what a channel lost altogether is not bridged by the newest that is known', async (t) => {
  const settings = { maxBytes: 4_000 }
  const world = await World.open(t, { settings })
  const node = await world.node()
  const [stays, client] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  for (const one of [stays, client]) await one.connect(node)
  await world.settle(2_000)
  await world.publish('orders.1')
  await world.settle(50)
  client.disconnect()
  world.isLosing = true
  await world.publish('orders.1')
  world.isLosing = false
  await publishMany(world, 'orders.2', 9, 900)
  await world.settle(61_000)
  assert.deepEqual(
    stays.gaps.map(({ reason }) => reason),
    ['expired'],
  )
  await client.connect(node)
  assert.deepEqual(client.recovered, [undefined, false])
})

test('a ring does not reach across what only the look at a pattern found expired', async (t) => {
  const settings = { messagesPerChannel: 3 }
  // Just after the channel itself was found to have everything.
  const answers = async (question: string): Promise<void> => {
    if (!world.isLosing || question !== 'screen orders.1') return
    await publishMany(world, 'orders.1', 5)
    world.isLosing = false
  }
  const world = await World.open(t, { settings, meanwhile: answers })
  const node = await world.node()
  const [stays, client] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  for (const one of [stays, client, new Client(world, 'orders.*')]) await one.connect(node)
  const last = await world.publish('orders.1')
  await world.settle(2_000)
  client.disconnect()
  world.isLosing = true
  await world.settle(61_000)
  const gap = { reason: 'expired', after: last, before: last + 3 }
  assert.deepEqual([stays.numbers, stays.gaps], [[0, 3, 4, 5], [gap]])
  await client.connect(node)
  assert.deepEqual(client.recovered, [undefined, false])
  assert.deepEqual([client.numbers, client.gaps], [[0, 3, 4, 5], [gap]])
})

for (const count of [0, 300]) {
  const name = `an end that comes live ${count} after what was read is told once, last`
  test(name, async (t) => {
    const gate = new Gate()
    const settings = { messagesPerChannel: 1_000 }
    const world = await World.open(t, { settings, meanwhile: () => gate.pass() })
    const [one, other] = [await world.node(), await world.node()]
    const [stays, client] = [new EndClient(world, 'orders.1'), new EndClient(world, 'orders.1')]
    await client.connect(other)
    client.disconnect()
    await world.publish('orders.2')
    await stays.connect(one)
    await world.settle(2_000)
    gate.close()
    const connected = client.connect(one)
    await waitedFor(world, gate)
    await publishMany(world, 'orders.1', count)
    await world.publish('orders.1', end)
    gate.open()
    const begun = await connected
    assert.ok(begun.ok && begun.isDurable && !begun.isEnded)
    await world.settle(100)
    assert.deepEqual(client.numbers, stays.numbers)
    assert.deepEqual([stays.ends, client.ends], [[count + 1], [count + 1]])
  })
}

test('a slow pattern subscriber goes on from where it began, and misses nothing', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const client = new Client(world, 'orders.*')
  await publishMany(world, 'orders.1', 3)
  await client.connect(node)
  client.canTake = false
  await publishMany(world, 'orders.1', 2)
  await world.publish('orders.2')
  await world.settle(50)
  client.take()
  await world.settle(50)
  await world.publish('orders.1')
  assert.deepEqual([client.numbers, client.gaps, client.isLive], [[3, 4, 5, 6], [], true])
})

test('a slow pattern subscriber gets nothing again that it was given before live', async (t) => {
  const world = await World.open(t)
  const node = await world.node()
  const [stays, client] = [new Client(world, 'orders.*'), new Client(world, 'orders.*')]
  await stays.connect(node)
  await client.connect(node)
  client.disconnect()
  await publishMany(world, 'orders.1', 3)
  await client.connect(node)
  assert.deepEqual(client.numbers, [0, 1, 2])
  client.canTake = false
  await publishMany(world, 'orders.1', 2)
  await world.publish('orders.2')
  await world.settle(50)
  client.take()
  await world.settle(50)
  await world.publish('orders.1')
  assert.deepEqual([client.numbers, client.gaps], [stays.numbers, []])
  assert.deepEqual([client.numbers.length, client.isLive], [7, true])
})

test('a publication larger than one recovery is recovered all the same', async (t) => {
  const limits = { recoveryBytesMax: 500 }
  const world = await World.open(t, { limits })
  const [one, other] = [await world.node(), await world.node()]
  const client = new Client(world, 'orders.1')
  await client.connect(one)
  await world.publish('orders.1')
  client.disconnect()
  await world.publish('orders.1', {}, 900)
  await client.connect(other)
  assert.deepEqual([client.numbers, client.gaps], [[0, 1], []])
  assert.deepEqual(client.recovered, [undefined, true])
})

test('to a slow subscriber publications larger than one recovery come one by one', async (t) => {
  const limits = { recoveryBytesMax: 500 }
  const world = await World.open(t, { limits, ringCountMax: 1 })
  const node = await world.node()
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  await world.publish('orders.1')
  client.canTake = false
  await publishMany(world, 'orders.1', 4, 900)
  client.take()
  await world.settle(100)
  assert.deepEqual([client.numbers, client.gaps, client.isLive], [[0, 1, 2, 3, 4], [], true])
  const counters = node.hub.durable.planners.get('orders')?.counters
  await world.settle(5_000)
  assert.equal(counters?.singleReads, 3, 'and nothing is read again')
})

test('a slow pattern subscriber is not given again what a gap was told for', async (t) => {
  const world = await World.open(t, { limits: { patternChannelsMax: 2 } })
  const node = await world.node()
  const client = new Client(world, 'orders.*')
  await client.connect(node)
  await publishMany(world, 'orders.1', 1)
  await publishMany(world, 'orders.2', 1)
  client.canTake = false
  const last = await world.publish('orders.3')
  client.take()
  await world.settle(50)
  assert.deepEqual(client.gaps, [{ reason: 'recovery_limit', after: 0, before: last }])
  assert.deepEqual(client.numbers, [0, 1, 2])
})

for (const [first, second] of [
  ['orders.*', 'orders.>'],
  ['orders.*', 'orders.1'],
]) {
  test(`${second} begins no earlier than ${first}, which was looked at beyond it`, async (t) => {
    const gate = new Gate()
    const answers = async (question: string): Promise<void> => {
      if (question === `read ${second}`) await gate.pass()
    }
    const world = await World.open(t, { meanwhile: answers })
    const node = await world.node()
    const other = await world.node()
    const [early, late] = [new Client(world, first!), new Client(world, second!)]
    await late.connect(other)
    late.disconnect()
    await publishMany(world, 'orders.1', 2)
    gate.close()
    const connected = late.connect(node)
    await waitedFor(world, gate)
    await publishMany(world, 'orders.1', 2)
    await early.connect(node)
    await world.publish('orders.1')
    gate.open()
    await connected
    await world.publish('orders.1')
    await world.settle(100)
    assert.deepEqual(early.numbers, [4, 5])
    assert.deepEqual([late.numbers, late.gaps], [[0, 1, 2, 3, 4, 5], []])
  })
}

test('who leaves while everything is verified does not stop that', async (t) => {
  let lost = ''
  const gate = new Gate()
  const answers = async (question: string): Promise<void> => {
    if (question === 'read orders.1') await gate.pass()
  }
  const wire = (subject: string): Fate => (subject === lost ? 'lost' : 'arrives')
  const world = await World.open(t, { wire, meanwhile: answers })
  const node = await world.node()
  const [stays, leaves] = [new Client(world, 'orders.2'), new Client(world, 'orders.1')]
  for (const one of [stays, leaves]) await one.connect(node)
  await world.settle(40_000)
  leaves.disconnect()
  lost = 'rt.live.orders.1'
  await publishMany(world, 'orders.1', 2)
  const last = await world.publish('orders.2')
  gate.close()
  await within(world, 40_000, () => gate.isWaitedFor)
  await within(world, 40_000, () => node.hub.lingeringCount === 0)
  await world.settle(50)
  assert.equal(node.hub.durable.get('orders')?.verified, last)
})

test('nobody is asked for on behalf of who left before the history could be read', async (t) => {
  let asked = 0
  const confirms = async (): Promise<void> => void (asked += 1)
  const world = await World.open(t, { ringCountMax: 1, confirms })
  const node = await world.node()
  const client = new Client(world, 'orders.1')
  await client.connect(node)
  client.canTake = false
  await publishMany(world, 'orders.1', 3)
  world.history.switchTo(false)
  client.take()
  await world.settle(2_000)
  client.disconnect()
  await within(world, 40_000, () => node.hub.interestCount === 0)
  node.cut()
  node.join()
  asked = 0
  world.history.switchTo(true)
  await world.settle(5_000)
  assert.equal(asked, 0)
})

test('a page from a replica that lags behind what was verified is not taken for all', async (t) => {
  let lag = 0
  const world = await World.open(t, { lag: () => lag })
  const node = await world.node()
  await publishMany(world, 'orders.1', 3)
  await world.settle(61_000)
  lag = 1
  const stale = await world.until(node.hub.history(channel, 0, 10))
  assert.deepEqual(stale, { ok: false, code: 'broker_unavailable' })
  lag = 0
  const page = await world.until(node.hub.history(channel, 0, 10))
  assert.ok(page.ok && !page.hasMore)
  assert.deepEqual(page.publications.map(numberOf), [0, 1, 2])
})

for (const change of ['made anew', 'wound back', 'outgrown'] as const) {
  test(`a page of a history that was ${change} meanwhile is not given`, async (t) => {
    const gate = new Gate()
    const world = await World.open(t, { meanwhile: () => gate.pass() })
    const node = await world.node()
    await publishMany(world, 'orders.1', 3)
    gate.close()
    const asked = node.hub.history(channel, 0, 10)
    await waitedFor(world, gate)
    if (change === 'wound back') world.history.rewind('orders', 1)
    else world.renew()
    if (change === 'outgrown') await publishMany(world, 'orders.1', 5)
    gate.open()
    assert.deepEqual(await world.until(asked), { ok: false, code: 'broker_unavailable' })
  })
}

test('a new epoch before its interest is taken is no gap to who shows the new one', async (t) => {
  const gate = new Gate()
  const world = await World.open(t, { confirms: () => gate.pass() })
  const [node, other] = [await world.node(), await world.node()]
  const [stays, elsewhere] = [new Client(world, 'orders.1'), new Client(world, 'orders.1')]
  await stays.connect(node)
  await elsewhere.connect(other)
  await world.publish('orders.1')
  node.cut()
  world.renew()
  await world.settle(50)
  await world.publish('orders.1')
  gate.close()
  node.join()
  const client = new Client(world, 'orders.1')
  client.position = elsewhere.position
  const connected = client.connect(node)
  await within(world, 2_000, () => stays.gaps.some(({ reason }) => reason === 'new_epoch'))
  gate.open()
  await connected
  await world.publish('orders.1')
  assert.deepEqual([client.recovered, client.gaps], [[true], []])
  assert.deepEqual([elsewhere.numbers, client.numbers], [[0, 1, 2], [2]])
})
