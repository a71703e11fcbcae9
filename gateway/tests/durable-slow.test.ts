/** Slow readers of durable channels: they lose nothing, and cost nothing while they are behind. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultHistory } from '../../hub/namespaces.js'
import { dataOf, ordersToken, publicationsOf, publish, range } from './durable-orders.js'
import { startTestGateway, until, type TestGateway, type TestGatewayOptions } from './harness.js'
import { testFormats } from './test-formats.js'
import { TestClient, type ReceivedFrame } from './websocket-client.js'

const payloadBytes = 32_768
const outboxBytesMax = 65_536
/** What one portion may be above it: a publication, and some answers. */
const overheadBytes = payloadBytes + 1_000
/** More than the kernel's buffers of both ends hold, some 10 MB. */
const floodCount = 640
const filler = 'x'.repeat(payloadBytes - 20)

const history = { ...defaultHistory, messagesPerChannel: 10_000 }

/** Everything that a test publishes is kept, and only so much of it in the ring. */
function options(more: TestGatewayOptions = {}): TestGatewayOptions {
  const namespaces = new Map([
    ['orders', { history, patterns: true }],
    ['chat', { history: undefined, patterns: false }],
  ])
  return { ...more, settings: { namespaces, ...more.settings } }
}

function numberOf({ data }: ReceivedFrame): number {
  const value = data instanceof Uint8Array ? JSON.parse(Buffer.from(data).toString()) : data
  return (value as [number])[0]
}

function numbersOf(client: TestClient): readonly number[] {
  return publicationsOf(client).map(numberOf)
}

/** In batches, between which the loop turns. */
async function flood(gateway: TestGateway, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number += 1) {
    publish(gateway, 'orders.42', [number, filler])
    if (number % 8 === 7) await new Promise((resolve) => setImmediate(resolve))
    assert.ok(gateway.gateway.outbox.bytes <= outboxBytesMax + overheadBytes)
  }
}

for (const { name, subprotocol } of testFormats) {
  test(`${name}: a slow reader is given what it missed, in order (PROTOCOL 14.8)`, async (t) => {
    const gateway = await startTestGateway(t, options())
    const slow = await TestClient.connect(t, gateway.ws, ordersToken, subprotocol)
    const fast = await TestClient.connect(t, gateway.ws, ordersToken, subprotocol)
    for (const client of [slow, fast]) {
      await client.ask({ type: 'subscribe', id: 1, channel: 'orders.42' })
    }
    slow.socket.pause()
    await flood(gateway, 0, floodCount)
    await until('the fast one to have all', () => numbersOf(fast).length === floodCount)
    // Behind, it holds nothing but what the kernel has not taken.
    assert.equal(gateway.hub.durable.budget.bytes, 0)
    slow.socket.resume()
    await until('the slow one to have all', () => numbersOf(slow).length === floodCount)
    publish(gateway, 'orders.42', [floodCount, ''])
    await until('live', () => numbersOf(slow).length === floodCount + 1)
    assert.deepEqual(numbersOf(slow), range(0, floodCount + 1))
    assert.ok(slow.frames.every(({ type }) => type !== 'gap'))
    // Its chain is whole, too; it begins anew where it was caught up.
    const offsets = publicationsOf(slow).map(({ offset }) => offset)
    for (const [at, { previous }] of publicationsOf(slow).entries()) {
      if (previous !== undefined) assert.equal(previous, offsets[at - 1])
    }
    assert.equal(gateway.counters.deliveriesDropped.websocket, 0)
    assert.equal(gateway.hub.durable.budget.bytes, 0)
    assert.equal(gateway.gateway.outbox.bytes, 0)
  })
}

test('what comes while it catches up follows in order (PROTOCOL 14.8)', async (t) => {
  const gateway = await startTestGateway(t, options({ durableLimits: { recoveryCountMax: 5_000 } }))
  const slow = await TestClient.connect(t, gateway.ws, ordersToken)
  await slow.ask({ type: 'subscribe', id: 1, channel: 'orders.42' })
  let count = 0
  for (let round = 0; round < 3; round += 1) {
    slow.socket.pause()
    await flood(gateway, count, count + floodCount)
    count += floodCount
    slow.socket.resume()
    await until('some of it', () => numbersOf(slow).length > count - floodCount + 100)
    await flood(gateway, count, count + 40)
    count += 40
  }
  await until('all of it', () => numbersOf(slow).length === count)
  assert.deepEqual(numbersOf(slow), range(0, count))
})

test('a recovery larger than the outbox leaves in portions (PROTOCOL 14.8, 10.3)', async (t) => {
  const durableLimits = { recoveryBytesMax: 16_777_216 }
  const gateway = await startTestGateway(t, options({ durableLimits }))
  await flood(gateway, 0, 400)
  const reader = await TestClient.connect(t, gateway.ws, ordersToken)
  reader.socket.pause()
  const other = await TestClient.connect(t, gateway.ws, ordersToken)
  reader.send({ type: 'subscribe', id: 1, channel: 'orders.42', last: 400 })
  await until('the outbox to be full', () => gateway.gateway.outbox.bytes > 0)
  assert.ok(gateway.gateway.outbox.bytes <= outboxBytesMax + overheadBytes)
  assert.ok(gateway.counters.deliveries.websocket < 400)
  // Answers are given meanwhile, and others do not notice.
  assert.equal((await other.ask({ type: 'ping', id: 1 })).type, 'pong')
  publish(gateway, 'orders.42', [400, ''])
  reader.socket.resume()
  await until('all of it', () => numbersOf(reader).length === 401)
  assert.deepEqual(numbersOf(reader), range(0, 401))
})

test('of what is ephemeral a slow reader misses some, and is told (PROTOCOL 10.3)', async (t) => {
  const gateway = await startTestGateway(t, options())
  const slow = await TestClient.connect(t, gateway.ws, ordersToken)
  await slow.ask({ type: 'subscribe', id: 1, channel: 'orders.42' })
  await slow.ask({ type: 'subscribe', id: 2, channel: 'chat.7' })
  slow.socket.pause()
  await flood(gateway, 0, floodCount)
  publish(gateway, 'chat.7', ['lost'])
  slow.socket.resume()
  const gap = await slow.find('gap')
  assert.deepEqual(gap, { type: 'gap', channel: 'chat.7', reason: 'slow_consumer' })
  await until('all of it', () => numbersOf(slow).length === floodCount)
  assert.deepEqual(numbersOf(slow), range(0, floodCount))
  assert.equal(gateway.counters.deliveriesDropped.websocket, 1)
})

test('a pattern is caught up as well: each at least once, in order (PROTOCOL 14.8)', async (t) => {
  const gateway = await startTestGateway(t, options())
  const slow = await TestClient.connect(t, gateway.ws, ordersToken)
  await slow.ask({ type: 'subscribe', id: 1, channel: 'orders.*' })
  slow.socket.pause()
  for (const number of range(0, floodCount)) {
    publish(gateway, `orders.${number % 3}`, [number, filler])
    if (number % 8 === 7) await new Promise((resolve) => setImmediate(resolve))
  }
  slow.socket.resume()
  await until('all of it', () => new Set(numbersOf(slow)).size === floodCount)
  const seen = new Map<unknown, number>()
  const kept = publicationsOf(slow).filter(({ channel, offset }) => {
    const isNew = Number(offset) > (seen.get(channel) ?? 0)
    if (isNew) seen.set(channel, Number(offset))
    return isNew
  })
  for (const rest of [0, 1, 2]) {
    const numbers = kept.map(numberOf).filter((number) => number % 3 === rest)
    assert.deepEqual(
      numbers,
      range(0, floodCount).filter((number) => number % 3 === rest),
    )
  }
})

test('limits that overtake a slow reader are told as a gap (PROTOCOL 14.8, 14.5)', async (t) => {
  const namespaces = new Map([['orders', { history: defaultHistory, patterns: false }]])
  const gateway = await startTestGateway(t, { settings: { namespaces } })
  const slow = await TestClient.connect(t, gateway.ws, ordersToken)
  await slow.ask({ type: 'subscribe', id: 1, channel: 'orders.42' })
  slow.socket.pause()
  await flood(gateway, 0, floodCount + 200)
  slow.socket.resume()
  const gap = await slow.find('gap')
  assert.equal(gap['reason'], 'expired')
  await until('the newest', () => numbersOf(slow).at(-1) === floodCount + 199)
  const numbers = numbersOf(slow)
  const { after, before } = gap as unknown as { after: number; before: number }
  assert.deepEqual(numbers, [...range(0, after), ...range(before - 1, floodCount + 200)])
  assert.equal(dataOf(slow).length, numbers.length)
})
