/** WebSockets that do not read: bounded, told of what they missed, closed in the end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { refusedDeliveries } from './refused-deliveries.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient, type ReceivedFrame } from './websocket-client.js'

const payloadBytes = 32_768
const outboxBytesMax = 65_536
/** Head of the frame and of the WebSocket message. */
const overheadBytes = 200
const heartbeatMs = 30_000
const token = mint({ channels: ['chat.7'], subscribe: ['chat.>'] })

/** More than the kernel's buffers of both ends hold, some 10 MB. */
const floodCount = 640

function publish({ broker }: TestGateway, number: number): void {
  const json = JSON.stringify([number, 'x'.repeat(payloadBytes - 20)])
  void broker.publish('rt.pub.chat.7', Buffer.from(json), {})
}

/** A batch a tick; the next one when the reader has got it. */
async function flood(gateway: TestGateway, reader: TestClient, from = 0): Promise<void> {
  for (let at = 0; at < floodCount; at += 1) {
    publish(gateway, from + at)
    if (at % 8 !== 7) continue
    await until('the reader to have everything', () => numbersOf(reader).length === from + at + 1)
    assert.ok(gateway.gateway.outbox.bytes <= outboxBytesMax + payloadBytes + overheadBytes)
  }
}

/** Until the kernel takes no more, which it now and then does a little later. */
function fill(gateway: TestGateway, clock: FakeClock): void {
  for (let rounds = 0; rounds < 50; rounds += 1) {
    for (let at = 0; at < 64; at += 1) publish(gateway, at)
    clock.advance(heartbeatMs)
    if (gateway.gateway.outbox.bytes > 0) return
  }
  assert.fail('the kernel takes everything')
}

function numberOf({ data }: ReceivedFrame): number {
  const json =
    data instanceof Uint8Array ? (JSON.parse(Buffer.from(data).toString()) as unknown) : data
  return (json as [number])[0]
}

function numbersOf({ frames }: TestClient): readonly number[] {
  return frames.filter(({ type }) => type === 'publication').map(numberOf)
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, at) => from + at)
}

for (const { name, subprotocol } of testFormats) {
  test(`${name}: who does not read hears that it missed some (PROTOCOL 10.3, 5.6)`, async (t) => {
    const gateway = await startTestGateway(t, { clock: new FakeClock() })
    const { counters } = gateway
    const refused = refusedDeliveries(gateway.hub)
    const slow = await TestClient.connect(t, gateway.ws, token, subprotocol)
    const fast = await TestClient.connect(t, gateway.ws, token, subprotocol)
    slow.socket.pause()
    await flood(gateway, fast)
    // Others do not notice.
    assert.deepEqual(numbersOf(fast), range(0, floodCount))
    const dropped = counters.deliveriesDropped.websocket
    assert.ok(dropped > 0)
    assert.equal(refused(), dropped, 'the hub is told')
    assert.ok(gateway.gateway.outbox.bytes > 0)

    slow.socket.resume()
    const gap = { type: 'gap', channel: 'chat.7', reason: 'slow_consumer' }
    assert.deepEqual(await slow.find('gap'), gap)
    // Everything up to the gap in order, none twice; then live again.
    assert.deepEqual(numbersOf(slow), range(0, floodCount - dropped))
    publish(gateway, floodCount)
    assert.equal(numberOf(await slow.next('publication')), floodCount)
    assert.equal(gateway.gateway.outbox.bytes, 0)
    assert.equal(counters.gaps.slow_consumer, 1)
    assert.equal(counters.deliveriesDropped.websocket, dropped)
  })

  test(`${name}: nothing of a burst is lost in silence either (PROTOCOL 10.3)`, async (t) => {
    const gateway = await startTestGateway(t, { clock: new FakeClock() })
    const slow = await TestClient.connect(t, gateway.ws, token, subprotocol)
    slow.socket.pause()
    for (let at = 0; at < floodCount; at += 1) publish(gateway, at)
    assert.ok(gateway.gateway.outbox.bytes <= outboxBytesMax + payloadBytes + overheadBytes)
    const dropped = gateway.counters.deliveriesDropped.websocket
    assert.ok(dropped > 0)
    slow.socket.resume()
    await slow.find('gap')
    assert.deepEqual(numbersOf(slow), range(0, floodCount - dropped))
  })
}

test('only subscriptions that missed something hear of a gap (PROTOCOL 10.3)', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock() })
  const claims = mint({ channels: ['chat.7', 'chat.8', 'chat.9', 'stocks.*'] })
  const slow = await TestClient.connect(t, gateway.ws, claims)
  slow.socket.pause()
  for (let at = 0; at < floodCount; at += 1) publish(gateway, at)
  for (const channel of ['chat.9', 'stocks.MSFT', 'stocks.AAPL', 'chat.9']) {
    await gateway.broker.publish(`rt.pub.${channel}`, Buffer.from('[0]'), {})
  }
  slow.socket.resume()
  const channels = []
  for (let count = 0; count < 3; count += 1) channels.push((await slow.find('gap')).channel)
  assert.deepEqual(channels, ['chat.7', 'chat.9', 'stocks.*'])
  await slow.ask({ type: 'ping', id: 1 })
  assert.equal(gateway.counters.gaps.slow_consumer, 3)
})

test('answers are given while publications are dropped, and a subscription may end', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock() })
  const slow = await TestClient.connect(t, gateway.ws, token)
  slow.socket.pause()
  for (let at = 0; at < floodCount; at += 1) publish(gateway, at)
  slow.send({ type: 'subscribe', id: 1, channel: 'chat.8' })
  slow.send({ type: 'unsubscribe', id: 2, channel: 'chat.7' })
  await until('the frames to be read', () => gateway.counters.framesReceived === 2)
  slow.socket.resume()
  assert.equal((await slow.find('subscribed')).id, 1)
  assert.equal((await slow.find('unsubscribed')).id, 2)
  const ended = slow.frames.findIndex(({ type }) => type === 'unsubscribed')
  await slow.ask({ type: 'ping', id: 3 })
  // What is no longer subscribed has no gaps either.
  assert.ok(slow.frames.slice(ended).every(({ type }) => type !== 'gap'))
})

test('who takes no bytes for two intervals is closed with 4002 (PROTOCOL 10.3, 9.4)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock, random: () => 0.5 })
  const { counters } = gateway
  const slow = await TestClient.connect(t, gateway.ws, token)
  const quiet = await TestClient.connect(t, gateway.ws, mint())
  slow.socket.pause()
  fill(gateway, clock)
  clock.advance(heartbeatMs)
  assert.equal(counters.connections.websocket, 2)
  clock.advance(heartbeatMs)
  assert.equal(counters.connections.websocket, 1)
  assert.equal(counters.refusals.slow_consumer, 1)
  assert.equal(counters.subscriptions, 0)
  assert.equal(gateway.gateway.outbox.bytes, 0)
  // Where the client reads again after all, it finds what had been sent, and why it is closed.
  slow.socket.resume()
  assert.deepEqual(await slow.closed, { code: 4002, reason: 'slow_consumer' })
  assert.equal((await quiet.ask({ type: 'ping', id: 1 })).type, 'pong')
})

test('who reads slowly, but reads, is not closed (PROTOCOL 10.3)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock, random: () => 0.5 })
  const slow = await TestClient.connect(t, gateway.ws, token)
  slow.socket.pause()
  for (let round = 0; round < 4; round += 1) {
    fill(gateway, clock)
    slow.socket.resume()
    await until('the client to have read', () => gateway.gateway.outbox.bytes === 0)
    slow.socket.pause()
    clock.advance(heartbeatMs)
  }
  assert.equal(gateway.counters.connections.websocket, 1)
  slow.socket.resume()
  assert.equal((await slow.ask({ type: 'ping', id: 1 })).type, 'pong')
})

test('who asks and never reads the answers is closed with 4002 (PROTOCOL 9.4)', async (t) => {
  const settings = { framesPerSecondMax: 1e9, framesBurstMax: 1e9 }
  const gateway = await startTestGateway(t, { clock: new FakeClock(), settings })
  const client = await TestClient.connect(t, gateway.ws, token)
  client.socket.pause()
  const frame = JSON.stringify({ type: 'subscribe', id: 1, channel: 'x'.repeat(200) })
  const { counters } = gateway
  for (let sent = 0; counters.connections.websocket > 0; sent += 1) {
    assert.ok(sent < 500_000, 'the answers are held without bound')
    client.socket.send(frame)
    if (sent % 500 === 499) {
      await until('the frames to be read', () => {
        return counters.framesReceived > sent || counters.connections.websocket === 0
      })
    }
  }
  assert.equal(counters.refusals.slow_consumer, 1)
})

test('a node whose outboxes are full drops for whoever has bytes waiting', async (t) => {
  const settings = { outboxesBytesMax: 0 }
  const gateway = await startTestGateway(t, { clock: new FakeClock(), settings })
  const slow = await TestClient.connect(t, gateway.ws, token)
  const fast = await TestClient.connect(t, gateway.ws, token)
  slow.socket.pause()
  await flood(gateway, fast)
  assert.deepEqual(numbersOf(fast), range(0, floodCount))
  slow.socket.resume()
  await slow.find('gap')
})
