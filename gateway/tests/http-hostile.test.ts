/** Clients that mean no good, or have bad lines: none leaks anything or disturbs another. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { encodeCursor } from '../../shared/cursor.js'
import { cursorOf } from '../../shared/cursor-positions.js'
import { TestStream } from './event-stream-client.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { askOnce, HttpConnection, requestText } from './http-connection.js'
import { FakeClock } from './fake-clock.js'
import { SeededRandom } from '../../shared/tests/seeded-random.js'
import { mint } from './tokens.js'

const token = mint({ subscribe: ['>'], publish: ['>'] })
const headers = { authorization: `Bearer ${token}` }
const stream = { ...headers, accept: 'text/event-stream' }

/** A witness that is there all the while, and must not notice. */
async function assertUndisturbed(
  t: TestContext,
  gateway: TestGateway,
  disturb: () => Promise<void>,
): Promise<void> {
  const { http, broker, counters } = gateway
  const witness = await TestStream.welcomed(t, http, { channels: 'witness', token })
  await disturb()
  await broker.publish('rt.pub.witness', Buffer.from('"still here"'), {})
  assert.equal((await witness.publication())['data'], 'still here')
  witness.cut()
  await until('all are gone', () => {
    const { websocket, sse, poll } = counters.connections
    return websocket + sse + poll === 0
  })
  assert.deepEqual([counters.subscriptions, counters.requestsPending], [0, 0])
  assert.equal(gateway.gateway.outbox.bytes, 0)
}

/** Sends the bytes, waits until the gateway has read them, and cuts. */
function sendAndCut(t: TestContext, port: number, bytes: string | Uint8Array): Promise<void> {
  const connection = new HttpConnection(t, port)
  return new Promise((resolve) => {
    connection.socket.on('close', () => resolve())
    connection.socket.write(bytes, () => connection.cut())
  })
}

test('200 streams cut off at once leave nothing behind (PROTOCOL 12.1)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock, random: () => 0.99 })
  const { port, hub, counters, broker } = gateway
  await assertUndisturbed(t, gateway, async () => {
    const connections = Array.from({ length: 200 }, (_, at) => {
      const connection = new HttpConnection(t, port)
      const path = `/v1/events?channels=news,c${at % 50}`
      connection.send(requestText({ path, headers: stream }))
      // Some before they are read, some after the welcome, some with bytes on the way.
      if (at % 4 === 0) connection.cut()
      return connection
    })
    await until('the others are in', () => counters.handshakesAccepted.sse >= 151)
    for (let count = 0; count < 20; count += 1) {
      await broker.publish('rt.pub.news', Buffer.from(`"${'x'.repeat(5000)}"`), {})
      for (const each of connections.filter((_, at) => at % 20 === count)) each.cut()
    }
    for (const connection of connections) connection.cut()
    await until('they are gone', () => counters.connections.sse === 1)
  })
  assert.equal(hub.interestCount, hub.lingeringCount)
  clock.advance(32_000)
  assert.deepEqual([hub.interestCount, hub.rings.count, hub.rings.bytes], [0, 0, 0])
  clock.advance(700_000)
  assert.equal(counters.expirations, 0)
})

test('requests that are cut off at any byte leave nothing behind (PROTOCOL 12.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const { port } = gateway
  await assertUndisturbed(t, gateway, async () => {
    const requests = [
      requestText({ path: '/v1/events?channels=news,chat.7&wait=5', headers }),
      requestText({ path: '/v1/events?channels=news,stocks.*', headers: stream }),
      requestText({ method: 'POST', headers, body: '{"channels":["news"],"wait":5}' }),
      requestText({ method: 'POST', headers: stream, body: '{"channels":["news"],"last":1}' }),
      requestText({
        method: 'POST',
        path: '/v1/publish',
        headers,
        body: '{"channel":"news","data":1}',
      }),
    ]
    for (const request of requests) {
      for (let end = 1; end <= request.length; end += 7) {
        await sendAndCut(t, port, request.slice(0, end))
      }
      await sendAndCut(t, port, request)
    }
  })
})

test('requests with random faults are refused or ended, each alone (PROTOCOL 12.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const { port, internalErrors } = gateway
  const random = new SeededRandom(77)
  const position = { epoch: '5f0c3a9be214', offset: 12, time: 1767225600123, verified: 30 }
  const cursor = encodeCursor(cursorOf([{ name: 'news', position }]))
  const positions = { news: cursor, 'orders.1': position }
  const shown = JSON.stringify({ channels: ['news'], wait: 0, positions, cursor })
  const valid = [
    requestText({ path: '/v1/events?channels=news&wait=0&cursor=', headers }),
    requestText({ path: '/v1/events?channels=news,stocks.*', headers: stream }),
    requestText({ method: 'HEAD', path: '/v1/events?channels=news', headers }),
    requestText({ method: 'OPTIONS', path: '/v1/publish' }),
    requestText({ method: 'POST', headers, body: '{"channels":["news"],"wait":0}' }),
    ...[headers, stream].map((each) => requestText({ method: 'POST', headers: each, body: shown })),
    requestText({
      method: 'POST',
      path: '/v1/publish',
      headers,
      body: '{"channel":"news","base64":"aGk=","contentType":"a/b"}',
    }),
  ]
  await assertUndisturbed(t, gateway, async () => {
    for (let count = 0; count < 400; count += 1) {
      const bytes = Buffer.from(random.pick(valid))
      for (let faults = 1 + random.upTo(3); faults > 0; faults -= 1) {
        bytes[random.upTo(bytes.length - 1)] = random.upTo(255)
      }
      const end = random.upTo(4) === 0 ? random.upTo(bytes.length) : bytes.length
      await sendAndCut(t, port, bytes.subarray(0, end))
    }
    for (let count = 0; count < 100; count += 1) {
      const bytes = Uint8Array.from({ length: random.upTo(2000) }, () => random.upTo(255))
      await sendAndCut(t, port, bytes)
    }
  })
  assert.deepEqual(internalErrors, [])
})

test('who closes its side of a connection loses its own answer (PROTOCOL 12.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const { port, counters } = gateway
  await assertUndisturbed(t, gateway, async () => {
    for (const accept of ['*/*', 'text/event-stream']) {
      const connection = new HttpConnection(t, port)
      const path = '/v1/events?channels=news'
      connection.socket.end(requestText({ path, headers: { ...headers, accept } }))
      await connection.closed()
    }
    await until('they are forgotten', () => counters.connections.poll === 0)
  })
})

test('a head without an end is refused, in one piece or in many', async (t) => {
  const gateway = await startTestGateway(t)
  const { port } = gateway
  await assertUndisturbed(t, gateway, async () => {
    const head = requestText({ path: '/v1/events?channels=news&wait=0', headers }).trimEnd()
    const long = `${head}\r\nX: ${'x'.repeat(600_000)}`
    for (const pieceBytes of [1000, 10_000, 600_000]) {
      const connection = new HttpConnection(t, port)
      for (let at = 0; at < long.length && !connection.isClosed; at += pieceBytes) {
        connection.send(long.slice(at, at + pieceBytes))
        await new Promise((resolve) => setImmediate(resolve))
      }
      await connection.closed()
      assert.doesNotMatch(connection.rest, /^HTTP\/1\.1 2/)
    }
  })
  const path = `/v1/events?channels=news&wait=0&x=${'x'.repeat(12_000)}`
  assert.equal((await askOnce(t, port, { path, headers })).status, 200)
})
