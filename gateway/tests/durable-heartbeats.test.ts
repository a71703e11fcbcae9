/** Heartbeats that tell how far everything has been delivered. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { publish, ordersToken, range, publishAll, dataOf } from './durable-orders.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient, type ReceivedFrame } from './websocket-client.js'

const heartbeatMs = 30_000
const subscribe = { type: 'subscribe', id: 1, channel: 'orders.42' }

/** The clock goes on until it has happened: reads of a history wait for it now and then. */
async function advanceUntil(clock: FakeClock, what: string, is: () => boolean): Promise<void> {
  await until(what, () => {
    if (!is()) clock.advance(10)
    return is()
  })
}

async function subscribed(clock: FakeClock, client: TestClient, frame: object): Promise<void> {
  const count = client.frames.length
  client.send(frame)
  await advanceUntil(clock, 'subscribed', () => client.frames.length > count)
}

/** Asks everything to be looked at, and waits until it has been. */
async function verify({ hub }: TestGateway, clock: FakeClock): Promise<void> {
  const { counters } = hub.durable
  const before = counters.verifications
  hub.durable.get('orders')?.verify()
  await advanceUntil(clock, 'a verification', () => counters.verifications > before)
}

async function nextBeat(clock: FakeClock, client: TestClient): Promise<ReceivedFrame> {
  clock.advance(heartbeatMs)
  return client.find('heartbeat')
}

for (const { name, subprotocol } of testFormats) {
  test(`${name}: heartbeats tell the verified offset by namespace (PROTOCOL 10.7)`, async (t) => {
    const clock = new FakeClock()
    const gateway = await startTestGateway(t, { clock, random: () => 0.5 })
    const client = await TestClient.connect(t, gateway.ws, ordersToken, subprotocol)
    const plain = await TestClient.connect(t, gateway.ws, mint({ channels: ['chat.7'] }))
    await subscribed(clock, client, subscribe)
    const epoch = client.frames.at(-1)?.['epoch']
    publishAll(gateway, 'orders.42', range(0, 2))
    publish(gateway, 'orders.43', 'elsewhere')
    await until('both', () => dataOf(client).length === 2)
    await verify(gateway, clock)
    const beat = await nextBeat(clock, client)
    assert.deepEqual(beat, { type: 'heartbeat', verified: { orders: { epoch, offset: 3 } } })
    assert.deepEqual(await plain.find('heartbeat'), { type: 'heartbeat' })
  })
}

test('a heartbeat says nothing that it has said before (PROTOCOL 10.7)', async (t) => {
  const clock = new FakeClock()
  const settings = { heartbeatSeconds: 4 }
  const gateway = await startTestGateway(t, { clock, random: () => 0.5, settings })
  const client = await TestClient.connect(t, gateway.ws, ordersToken)
  await subscribed(clock, client, subscribe)
  await verify(gateway, clock)
  clock.advance(4_000)
  await client.find('heartbeat')
  clock.advance(4_000)
  assert.deepEqual(await client.find('heartbeat'), { type: 'heartbeat' })
})

test('who is behind is not told how far others are (PROTOCOL 10.7, 10.3)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, {
    clock,
    random: () => 0.5,
    settings: { heartbeatSeconds: 300 },
  })
  const client = await TestClient.connect(t, gateway.ws, ordersToken)
  await subscribed(clock, client, subscribe)
  client.socket.pause()
  const long = 'x'.repeat(60_000)
  const { deliveries } = gateway.counters
  for (let count = 1; deliveries.websocket === count - 1; count += 1) {
    assert.ok(count < 2_000, 'the kernel takes everything')
    publish(gateway, 'orders.42', [count, long])
    if (count % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  publish(gateway, 'orders.42', 'not taken')
  await verify(gateway, clock)
  const told = gateway.hub.durable.verifiedVersion
  clock.advance(300_000)
  client.socket.resume()
  assert.deepEqual(await client.find('heartbeat'), { type: 'heartbeat' })
  await advanceUntil(clock, 'the rest', () => dataOf(client).at(-1) === 'not taken')
  assert.ok(gateway.hub.durable.verifiedVersion >= told)
})
