/** A node that leaves: everybody is told, in the way of their transport, and it is gone in time. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { TestStream } from './event-stream-client.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import type { PollAnswer } from './http-client.js'
import { HttpConnection, problemOf, requestText } from './http-connection.js'
import { SwitchBroker } from './switch-broker.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const token = mint({ subscribe: ['>'], publish: ['>'] })
const headers = { authorization: `Bearer ${token}` }

async function pendingPoll(t: TestContext, gateway: TestGateway): Promise<HttpConnection> {
  const { port, counters } = gateway
  const { poll: before } = counters.connections
  const connection = new HttpConnection(t, port)
  connection.send(requestText({ path: '/v1/events?channels=news', headers }))
  await until('the poll waits', () => counters.connections.poll === before + 1)
  return connection
}

test('each transport hears that the node leaves, and the node goes (PROTOCOL 10.4)', async (t) => {
  const gateway = await startTestGateway(t)
  const sockets = await Promise.all([1, 2, 3].map(() => TestClient.connect(t, gateway.ws, token)))
  const streams = await Promise.all(
    [1, 2, 3].map(() => TestStream.welcomed(t, gateway.http, { channels: 'news', token })),
  )
  const polls = [await pendingPoll(t, gateway), await pendingPoll(t, gateway)]
  await gateway.gateway.close()
  for (const socket of sockets) {
    assert.deepEqual(await socket.closed, { code: 4001, reason: 'draining' })
  }
  for (const stream of streams) {
    const { data, retry } = await stream.next('problem')
    const { code, status } = JSON.parse(data)
    assert.deepEqual([code, status], ['draining', 503])
    assert.ok(retry !== undefined && retry >= 1000 && retry <= 10_000)
    await stream.ended()
  }
  for (const connection of polls) {
    const answer = await connection.answer()
    assert.equal(answer.status, 200)
    const { publications, gaps, cursor } = JSON.parse(answer.body) as PollAnswer
    assert.deepEqual([publications, gaps], [[], []])
    assert.match(cursor, /^[\w-]{20,}$/)
  }
  assert.deepEqual(gateway.counters.connections, { websocket: 0, sse: 0, poll: 0 })
  assert.equal(gateway.counters.subscriptions, 0)
})

test('who is being let in while the node leaves hears of it (PROTOCOL 10.4, 7.7)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker })
  const { counters, port, http } = gateway
  const kept = new HttpConnection(t, port)
  assert.equal((await kept.ask({ path: '/nowhere' })).status, 404)
  broker.isHolding = true
  const poll = await pendingPoll(t, gateway)
  const stream = await TestStream.open(t, http, { channels: 'news', token })
  const body = '{"channel":"news","data":1}'
  const publishing = new HttpConnection(t, port)
  const published = publishing.ask({ method: 'POST', path: '/v1/publish', headers, body })
  await until('the broker is asked', () => broker.heldCount === 3)
  const closing = gateway.gateway.close()
  // They have no cursor of ours yet, and keep the one that they came with.
  const answer = await poll.answer()
  assert.deepEqual([answer.status, problemOf(answer).code], [503, 'draining'])
  const { data } = await stream.next('problem')
  assert.equal(JSON.parse(data).code, 'draining')
  await stream.ended()
  // Whoever has a connection already may ask on it, and is told.
  const path = '/v1/events?channels=news&wait=0'
  const refused = await kept.ask({ path, headers })
  assert.deepEqual([refused.status, problemOf(refused).code], [503, 'draining'])
  assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/)
  assert.equal((await kept.ask({ method: 'HEAD', path, headers })).status, 503)
  broker.release()
  assert.equal((await published).status, 200)
  await closing
  assert.equal(counters.refusals.draining, 4)
  await kept.closed()
})

test('a publication on its way is answered before the node goes (PROTOCOL 8.1)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker })
  broker.isHolding = true
  const connection = new HttpConnection(t, gateway.port)
  const answer = connection.ask({
    method: 'POST',
    path: '/v1/publish',
    headers,
    body: '{"channel":"news","data":1}',
  })
  await until('the broker is asked', () => broker.heldCount === 1)
  const closing = gateway.gateway.close()
  broker.release()
  assert.equal((await answer).status, 200)
  await closing
})

test('a node goes when its grace is over, whoever is left (PROTOCOL 10.4)', async (t) => {
  const clock = new FakeClock()
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker, clock })
  const idle = new HttpConnection(t, gateway.port)
  assert.equal((await idle.ask({ path: '/nowhere' })).status, 404)
  broker.isHolding = true
  const poll = await pendingPoll(t, gateway)
  await until('the broker is asked', () => broker.heldCount === 1)
  let isClosed = false
  const closing = gateway.gateway.close().then(() => {
    isClosed = true
  })
  clock.advance(1000)
  assert.equal(isClosed, false)
  await until('the grace is over', () => {
    clock.advance(100)
    return isClosed
  })
  await closing
  await poll.closed()
  await idle.closed()
  assert.equal(gateway.counters.connections.poll, 0)
  const late = new HttpConnection(t, gateway.port)
  await late.closed()
})

test('a body that is not finished does not keep a node from leaving (PROTOCOL 10.4)', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock() })
  const connection = new HttpConnection(t, gateway.port)
  const head = `Host: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: 9`
  connection.send(`POST /v1/publish HTTP/1.1\r\n${head}\r\n\r\n{`)
  const other = new HttpConnection(t, gateway.port)
  assert.equal((await other.ask({ path: '/nowhere' })).status, 404)
  await gateway.gateway.close()
  await connection.closed()
  assert.equal(connection.rest, '')
})
