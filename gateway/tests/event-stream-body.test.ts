/** Event streams that are asked for by POST: the same as by GET, with the question in the body. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openNodes } from './durable-nodes.js'
import { TestStream, type ReceivedEvent } from './event-stream-client.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { postPoll } from './http-client.js'
import { HttpConnection, problemOf, requestText } from './http-connection.js'
import { SwitchBroker } from './switch-broker.js'
import { mint } from './tokens.js'

const token = mint({ subscribe: ['>'] })
const authorization = `Bearer ${token}`
const accept = 'text/event-stream'
const news = { channels: ['news'] }

/** Of an answer that is no stream. */
async function refusalOf(stream: TestStream): Promise<readonly unknown[]> {
  const { response } = stream
  await until('the answer', () => stream.isEnded)
  const { status, code } = JSON.parse(stream.text) as Record<string, unknown>
  assert.equal(status, response.statusCode)
  return [status, code, response.headers['content-type']]
}

function dataOf(events: readonly ReceivedEvent[]): readonly unknown[] {
  const messages = events.filter(({ event }) => event === 'message')
  return messages.map(({ data }) => (JSON.parse(data) as { data: unknown }).data)
}

test('a stream by POST is the same as by GET (PROTOCOL 6.9, 6.2)', async (t) => {
  const gateway = await startTestGateway(t)
  const { http, counters } = gateway
  const query = { channels: 'news,stocks.*', token }
  const byGet = await TestStream.open(t, http, query)
  const byPost = await TestStream.post(t, http, token, { channels: ['news', 'stocks.*'] })
  const welcomes: object[] = []
  for (const stream of [byGet, byPost]) {
    const { statusCode, headers } = stream.response
    const { data, retry, id } = await stream.next('welcome')
    const { connection, ...welcome } = JSON.parse(data) as Record<string, unknown>
    const { date, ...others } = headers
    assert.ok((retry ?? 0) >= 1_000)
    welcomes.push({ statusCode, others, welcome, id })
  }
  assert.deepEqual(welcomes[0], welcomes[1])
  await gateway.broker.publish('rt.pub.stocks.A', Buffer.from('1'), {})
  const [first, second] = [await byGet.next('message'), await byPost.next('message')]
  assert.deepEqual(first, second)
  assert.deepEqual([counters.handshakesAccepted.sse, counters.connections.sse], [2, 2])
  byPost.cut()
  await until('it is forgotten', () => counters.connections.sse === 1)
})

test('a stream by POST goes on from a cursor, or begins with last (PROTOCOL 6.9)', async (t) => {
  const nodes = await openNodes(t)
  const [first, second] = [await nodes.start(), await nodes.start()]
  for (const number of [1, 2, 3]) await nodes.publish('orders.1', number)
  const channels = ['orders.1', 'orders.2']
  const stream = await TestStream.post(t, first.http, token, { channels, last: 2 })
  await until('the newest', () => stream.events.length === 3)
  assert.deepEqual(dataOf(stream.events), [2, 3])
  const cursor = stream.events[1]?.id
  await nodes.publish('orders.2', 4)
  const resumed = await TestStream.post(t, second.http, token, { channels, cursor, last: 1 })
  await until('what was missed', () => resumed.events.length === 3)
  assert.deepEqual([...dataOf(resumed.events)].sort(), [3, 4])
  // What the header says is newer than what the body said at first.
  const positions = { 'orders.1': cursor ?? '', 'orders.2': cursor ?? '' }
  const headers = { 'last-event-id': resumed.lastEventId ?? '' }
  const body = { channels, cursor, positions }
  const again = await TestStream.post(t, first.http, token, body, headers)
  await again.next('welcome')
  await nodes.publish('orders.1', 5)
  assert.equal((await again.publication())['data'], 5)
})

test('without wait a stream does not end by itself (PROTOCOL 6.9, 6.10)', async (t) => {
  const gateway = await startTestGateway(t)
  const stream = await TestStream.post(t, gateway.http, token, { ...news, later: {} })
  await stream.next('welcome')
  await gateway.broker.publish('rt.pub.news', Buffer.from('1'), {})
  await stream.next('message')
  const query = { channels: 'news', token }
  const other = await TestStream.open(t, gateway.http, query)
  await other.next('welcome')
  assert.equal(stream.isEnded, false)
})

test('a stream by POST is refused as a poll by POST is (PROTOCOL 6.9, 6.1, 8.2)', async (t) => {
  const { http, counters } = await startTestGateway(t, { settings: { frameBytesMax: 2_000 } })
  const few = mint({ subscribe: ['news', 'other.>'] })
  const cases: readonly (readonly [string, string, number, string])[] = [
    ['x', few, 400, 'bad_request'],
    ['[]', few, 400, 'bad_request'],
    ['{"channels":"news"}', few, 400, 'bad_request'],
    ['{"channels":[]}', few, 400, 'bad_request'],
    ['{"channels":["a..b"]}', few, 400, 'bad_request'],
    ['{"channels":["news"],"cursor":1}', few, 400, 'bad_request'],
    ['{"channels":["news"],"cursor":"x"}', few, 400, 'bad_request'],
    ['{"channels":["news"],"positions":[]}', few, 400, 'bad_request'],
    ['{"channels":["news"],"last":0}', few, 400, 'bad_request'],
    ['{"channels":["chat.7"]}', few, 403, 'forbidden'],
    ['{"channels":["other.7"]}', few, 404, 'unknown_namespace'],
    [`{"channels":["news"],"x":"${'x'.repeat(2_000)}"}`, few, 413, 'too_large'],
    ['{"channels":["news"]}', 'x', 401, 'token_invalid'],
    ['{"channels":["news"]}', mint({ exp: 1_000 }), 401, 'token_expired'],
  ]
  for (const [body, bearer, status, code] of cases) {
    const refused = await TestStream.post(t, http, bearer, body)
    assert.deepEqual(await refusalOf(refused), [status, code, 'application/problem+json'], body)
  }
  assert.equal(counters.handshakesRefused.sse, cases.length)
  assert.deepEqual([counters.handshakesRefused.poll, counters.subscriptions], [0, 0])
})

test('what a client must survive is 200 by POST, too (PROTOCOL 6.6, 6.9)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker, settings: { connectionsMax: 1 } })
  const { http } = gateway
  const refusedWith = async (code: string): Promise<void> => {
    const stream = await TestStream.post(t, http, token, news)
    const { headers, statusCode } = stream.response
    assert.deepEqual([statusCode, headers['content-type']], [200, 'text/event-stream'])
    const problem = await stream.next('problem')
    assert.ok((problem.retry ?? 0) >= 1_000)
    assert.equal((JSON.parse(problem.data) as { code: string }).code, code)
    await stream.ended()
  }
  const first = await TestStream.post(t, http, token, news)
  await first.next('welcome')
  await refusedWith('overloaded')
  first.cut()
  await until('there is room', () => gateway.counters.connections.sse === 0)
  broker.disconnect()
  await refusedWith('broker_unavailable')
  assert.equal((await postPoll(http, token, news)).status, 503)
})

test('a stranger is refused before the body, and the connection ends (PROTOCOL 6.9)', async (t) => {
  const gateway = await startTestGateway(t, { settings: { connectionsMax: 1 } })
  const head = (bearer: string): string =>
    `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bearer}\r\n` +
    `Accept: ${accept}\r\nContent-Length: 60000\r\n\r\n`
  const stranger = new HttpConnection(t, gateway.port)
  stranger.send(head('x'))
  const answer = await stranger.answer()
  assert.deepEqual([answer.status, problemOf(answer).code], [401, 'token_invalid'])
  await stranger.closed()
  const holder = await TestStream.post(t, gateway.http, token, news)
  await holder.next('welcome')
  const late = new HttpConnection(t, gateway.port)
  late.send(head(token))
  await late.closed()
  assert.match(late.rest, /^HTTP\/1\.1 200 .*\r\n\r\n.*event: problem\n.*"overloaded"/s)
  holder.cut()
})

test('a body in pieces is one; who leaves within it is forgotten (PROTOCOL 6.9)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock })
  const { port, counters } = gateway
  const exp = Math.floor(clock.now() / 1000) + 3_000
  const bearer = mint({ exp, subscribe: ['>'] })
  const headers = { accept, authorization: `Bearer ${bearer}` }
  const text = requestText({ method: 'POST', headers, body: JSON.stringify(news) })
  const whole = new HttpConnection(t, port)
  for (const byte of text) {
    whole.send(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until('the welcome', () => whole.rest.includes('event: welcome'))
  const left = new HttpConnection(t, port)
  left.send(text.slice(0, -1))
  // Requests are read in the order in which they come: this one comes after it.
  await postPoll(gateway.http, 'x', {})
  left.cut()
  await postPoll(gateway.http, 'x', {})
  clock.advance(12_000)
  assert.deepEqual([counters.connections.sse, counters.handshakesAccepted.sse], [1, 1])
  assert.equal(counters.subscriptions, 1)
})

test('a stream by POST beats, and ends with its token (PROTOCOL 6.4, 3.10)', async (t) => {
  const clock = new FakeClock()
  const { http } = await startTestGateway(t, { clock, random: () => 0.5 })
  const exp = Math.floor(clock.now() / 1000) + 40
  const bearer = mint({ exp, subscribe: ['>'] })
  const stream = await TestStream.post(t, http, bearer, news)
  await stream.next('welcome')
  clock.advance(15_500)
  await stream.next('heartbeat')
  await until('the end', () => {
    clock.advance(1_000)
    return stream.isEnded
  })
  const problem = stream.events.at(-1)
  assert.equal(problem?.event, 'problem')
  assert.match(problem.data, /"token_expired"/)
})

test('a token that expires within the body is refused behind it (PROTOCOL 3.10)', async (t) => {
  const clock = new FakeClock()
  const gateway: TestGateway = await startTestGateway(t, { clock })
  const exp = Math.floor(clock.now() / 1000) + 1
  const headers = { accept, authorization: `Bearer ${mint({ exp, subscribe: ['>'] })}` }
  const text = requestText({ method: 'POST', headers, body: JSON.stringify(news) })
  const connection = new HttpConnection(t, gateway.port)
  connection.send(text.slice(0, -1))
  // Requests are read in the order in which they come: this one comes after it.
  await postPoll(gateway.http, 'x', {})
  clock.advance(7_000)
  connection.send(text.slice(-1))
  const answer = await connection.answer()
  assert.deepEqual([answer.status, problemOf(answer).code], [401, 'token_expired'])
})

test('streams by POST that are cut off at once leave nothing behind (PROTOCOL 12.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const { port, counters } = gateway
  const text = requestText({
    method: 'POST',
    headers: { accept, authorization },
    body: JSON.stringify({ channels: ['news', 'orders.1'], positions: {}, last: 2 }),
  })
  for (let end = 1; end <= text.length; end += 3) {
    const connection = new HttpConnection(t, port)
    await new Promise<void>((resolve) => {
      connection.socket.on('close', () => resolve())
      connection.socket.write(text.slice(0, end), () => connection.cut())
    })
  }
  await postPoll(gateway.http, token, news)
  await until('all are gone', () => counters.connections.sse === 0)
  assert.deepEqual([counters.subscriptions, counters.requestsPending], [0, 0])
  assert.equal(gateway.gateway.outbox.bytes, 0)
})
