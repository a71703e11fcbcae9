/** Polls against a real HTTP server. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test, type TestContext } from 'node:test'
import { Progress } from '../progress.js'
import type { PollPace } from '../event-stream-connection.js'
import { LongPollTransport, longPollPace, shortPollPace } from '../long-poll-transport.js'
import type { ConnectionEvent, ConnectionRequest } from '../transport.js'
import { FakeClock } from './fake-clock.js'
import { HeardEvents } from './heard-events.js'
import { readJson, startHttp } from './http-server.js'
import { epoch } from './played-socket.js'
import { testGateway } from './test-gateway.js'
import { until } from './until.js'

/** What a gateway writes: its welcome, events, and the cursor after them. */
function answer(cursor: string, events: readonly object[] = [], more: object = {}): string {
  const told = { expiresAt: 1e12, heartbeatSeconds: 30, subscriptions: ['a', 'b'], ...more }
  const rest = events.map((event) => {
    const name = 'reason' in event ? 'event: gap\n' : 'end' in event ? 'event: ended\n' : ''
    return `${name}data: ${JSON.stringify(event)}\n\n`
  })
  const welcome = `event: welcome\nid: before ${cursor}\ndata: ${JSON.stringify(told)}\n\n`
  return `${welcome}${rest.join('')}id: ${cursor}\n\n`
}

interface Refused {
  readonly status: number
  readonly code: string
  readonly retryAfter?: string
}

/** What a poll is answered with; `ended` is 204. Where nothing is left, it is held. */
type Answer = string | Refused

function write(response: ServerResponse, given: Answer): void {
  if (given === 'ended') return void response.writeHead(204).end()
  if (typeof given === 'string') return void response.end(given)
  const { status, code, retryAfter } = given
  if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter)
  response.writeHead(status).end(JSON.stringify({ code, detail: 'why' }))
}

interface Options extends Partial<ConnectionRequest> {
  readonly pace?: PollPace
  readonly react?: (event: ConnectionEvent) => void
}

/** A connection to a server that gives these answers, one after another. */
async function connect(t: TestContext, answers: readonly Answer[], options: Options = {}) {
  const { pace = longPollPace, react, ...more } = options
  const bodies: unknown[] = []
  const requests: IncomingMessage[] = []
  const { url } = await startHttp(t, (request, response) => {
    requests.push(request)
    void readJson(request).then((body) => {
      const given = answers[bodies.push(body) - 1]
      if (given !== undefined) write(response, given)
    })
  })
  const clock = new FakeClock()
  const heard = new HeardEvents()
  const gateway = testGateway(url, { clock, token: () => 'secret' })
  const { progress = new Progress() } = more
  const request = { gateway, channels: ['a'], ...more, progress }
  const connection = new LongPollTransport(pace).open(request, (event) => {
    heard.take(event)
    react?.(event)
  })
  t.after(() => connection.close())
  const types = () => heard.all.map(({ type }) => type).filter((type) => type !== 'subscribed')
  return { bodies, requests, clock, heard, types, gateway, progress, connection }
}

function of(offset: number, previous: number, channel = 'a') {
  return { channel, offset, previous, time: 5, data: offset }
}

test('each poll shows the cursor of the last answer, the first asks without waiting', async (t) => {
  const answers = [answer('c1'), answer('c2', [{ channel: 'a', time: 5, data: { n: 1 } }])]
  const { bodies, requests, heard, progress } = await connect(t, answers, { channels: ['a', 'b'] })
  await heard.next('publication')
  await until(() => bodies.length === 3)
  assert.equal(heard.of('welcome').length, 1)
  assert.equal(progress.place('b'), 'c2')
  assert.deepEqual(bodies, [
    { channels: ['a', 'b'], positions: {}, wait: 0 },
    { channels: ['a', 'b'], cursor: 'c1', wait: 25 },
    { channels: ['a', 'b'], cursor: 'c2', wait: 25 },
  ])
  assert.deepEqual(heard.of('publication')[0]?.publication.data, { n: 1 })
  const [request] = requests
  assert.deepEqual([request?.method, request?.url], ['POST', '/v1/events'])
  assert.equal(request?.headers.authorization, 'bearer secret')
  assert.equal(request?.headers.accept, 'text/event-stream')
})

test('the first poll shows a place for each channel, the next one their cursor', async (t) => {
  const progress = new Progress()
  progress.resume('a', 'old')
  progress.begin('b', { epoch, offset: 7 }, false)
  const channels = ['a', 'b']
  const { bodies } = await connect(t, [answer('c1')], { channels, progress, last: 3 })
  await until(() => bodies.length === 2)
  assert.deepEqual(bodies, [
    { channels, last: 3, positions: { a: 'old', b: { epoch, offset: 7 } }, wait: 0 },
    { channels, last: 3, cursor: 'c1', wait: 25 },
  ])
})

test('a short poll asks again after its interval, and never waits', async (t) => {
  const pace = shortPollPace
  const { bodies, clock, heard } = await connect(t, [answer('c'), answer('c')], { pace })
  assert.equal(new LongPollTransport(pace).name, 'short-poll')
  await heard.next('ready')
  await until(() => clock.delays.includes(1_000))
  clock.advance(999)
  assert.equal(bodies.length, 1)
  clock.advance(1)
  await until(() => bodies.length === 2)
  assert.deepEqual(
    bodies.map((body) => (body as { wait: unknown }).wait),
    [0, 0],
  )
})

test('a gap is heard at its place among the publications', async (t) => {
  const gap = { channel: 'a', reason: 'recovery_limit', after: 4, before: 8 }
  const events = [of(50, 0, 'b'), of(3, 0), of(4, 3), gap, of(9, 7)]
  const { heard } = await connect(t, [answer('c', events)], { channels: ['a', 'b'] })
  await heard.next('publication', 4)
  const order = heard.all.map((event) => {
    return event.type === 'publication' ? event.publication.data : event.type
  })
  assert.deepEqual(order, ['welcome', 'subscribed', 'subscribed', 'ready', 50, 3, 4, 'gap', 9])
})

test('what ended is told once, and 204 says that there is nothing to come back for', async (t) => {
  const end = [{ channel: 'a', end: true }]
  const { heard, types } = await connect(t, [answer('c1', end), answer('c2', end), 'ended'])
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['ended', false])
  assert.deepEqual(types(), ['welcome', 'ready', 'ended', 'closed'])
})

test('an answer in which something is missing ends it, to be asked for again', async (t) => {
  const { heard, types, progress } = await connect(t, [
    answer('c1', [of(3, 0)]),
    answer('c2', [of(3, 0), of(9, 7)]),
  ])
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['chain_broken', true])
  assert.equal(progress.place('a'), 'before c2')
  assert.deepEqual(types(), ['welcome', 'ready', 'publication', 'closed'])
})

test('an answer that is cut off is no loss: the next poll goes on from before', async (t) => {
  const whole = answer('c2', [of(3, 0), of(4, 3)])
  const cut = whole.slice(0, whole.indexOf('"data":4'))
  const { bodies, heard } = await connect(t, [answer('c1'), cut, whole])
  await heard.next('publication', 2)
  assert.deepEqual(bodies[2], { channels: ['a'], cursor: 'before c2', wait: 25 })
  assert.deepEqual(
    heard.of('publication').map(({ publication: { data } }) => data),
    [3, 4],
  )
})

test('why it cannot be answered, and when to come back, is the last word', async (t) => {
  const problem = '{"code":"overloaded","detail":"full"}'
  const { heard } = await connect(t, [`retry: 4210\nevent: problem\ndata: ${problem}\n\n`])
  assert.deepEqual(await heard.next('closed'), {
    ...{ type: 'closed', code: 'overloaded', message: 'full' },
    ...{ retryable: true, retryAfterMs: 4_210 },
  })
})

test('who closes it in the middle of an answer gets the rest of that again', async (t) => {
  const connected = await connect(t, [answer('c1'), answer('c2', [of(3, 0), of(4, 3)])], {
    react: ({ type }) => void (type === 'publication' && connected.connection.close()),
  })
  const { heard, progress } = connected
  await heard.next('publication')
  assert.equal(progress.place('a'), 'before c2')
  const again = await connect(t, [answer('c2', [of(3, 0), of(4, 3)])], {
    progress,
  })
  assert.equal((await again.heard.next('publication')).publication.data, 4)
})

test('what cannot be read was not got: coming back asks again from before', async (t) => {
  const { heard, progress } = await connect(t, [answer('c1'), 'id: c2\ndata: <html>\n\n'])
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['protocol_error', true])
  assert.equal(progress.place('a'), 'c1')
})

for (const before of [[], [answer('c1')]]) {
  test(`who is no gateway is not asked again at once, poll ${before.length}`, async (t) => {
    const { bodies, heard } = await connect(t, [...before, '<html>log in first'])
    const closed = await heard.next('closed')
    assert.deepEqual([closed.code, closed.retryable], ['connection_lost', true])
    assert.equal(bodies.length, before.length + 1)
  })
}

test('who was there by WebSocket has missed something of an ephemeral channel, once', async (t) => {
  const progress = new Progress()
  progress.beginEphemeral('a')
  const { heard, types } = await connect(t, [answer('c1'), answer('c2')], { progress })
  await until(() => progress.place('a') === 'c2')
  assert.deepEqual(heard.of('gap'), [{ type: 'gap', channel: 'a', reason: 'not_subscribed' }])
  assert.deepEqual(types(), ['welcome', 'gap', 'ready'])
  const again = await connect(t, [answer('c3')], { progress })
  await again.heard.next('ready')
  assert.deepEqual(again.heard.of('gap'), [], 'its cursor covers it now')
})

test('who was given a ticket asks with it, with a token again when it is refused', async (t) => {
  const { requests } = await connect(t, [
    answer('c1', [], { ticket: 'q1' }),
    answer('c2', [], { ticket: 'q2' }),
    { status: 401, code: 'token_expired' },
    answer('c3'),
  ])
  await until(() => requests.length === 5)
  assert.deepEqual(
    requests.map(({ headers }) => headers.authorization),
    ['bearer secret', 'ticket q1', 'ticket q2', 'bearer secret', 'bearer secret'],
  )
})

const refusals = [
  { status: 503, code: 'overloaded', retryable: true, retryAfter: '3', retryAfterMs: 3_000 },
  { status: 429, code: 'rate_limited', retryable: true },
  { status: 401, code: 'token_expired', retryable: true },
  { status: 400, code: 'bad_request', retryable: false },
  { status: 401, code: 'token_invalid', retryable: false },
  { status: 403, code: 'forbidden', retryable: false },
  { status: 404, code: 'unknown_namespace', retryable: false },
] as const

for (const { status, code, retryable, ...wait } of refusals) {
  const policy = retryable ? 'may be tried again' : 'is for the application'
  test(`a poll refused with ${status} ${code} ${policy}`, async (t) => {
    const after = 'retryAfterMs' in wait ? { retryAfterMs: wait.retryAfterMs } : {}
    const refused = { status, code, ...wait }
    // A token that has expired is replaced, once.
    const { heard } = await connect(t, [refused, refused])
    const closed = await heard.next('closed')
    const expected = { type: 'closed', code, message: 'why', retryable }
    assert.deepEqual({ ...closed }, { retryAfterMs: undefined, ...expected, ...after })
  })
}

test('a poll that is never answered is given up after its wait and a grace', async (t) => {
  const { bodies, clock, heard } = await connect(t, [answer('c1')])
  await until(() => bodies.length === 2)
  clock.advance(39_999)
  assert.deepEqual(heard.of('closed'), [])
  clock.advance(1)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('the first poll, which does not wait, is given up after the grace alone', async (t) => {
  const { bodies, clock, heard } = await connect(t, [])
  await until(() => bodies.length === 1)
  clock.advance(15_000)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('after a sleep it is there if it is answered within 5 s, else not', async (t) => {
  const { bodies, clock, heard, connection } = await connect(t, [answer('c1')])
  await until(() => bodies.length === 2)
  connection.check()
  clock.advance(4_999)
  assert.deepEqual(heard.of('closed'), [])
  clock.advance(1)
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['connection_silent', true])
})

test('close() aborts the request that is waiting, and nothing more is heard', async (t) => {
  const { bodies, requests, clock, heard, connection } = await connect(t, [answer('c1')])
  await until(() => bodies.length === 2)
  const aborted = once((requests[1] as IncomingMessage).socket, 'close')
  connection.close()
  await aborted
  assert.deepEqual(heard.of('closed'), [])
  assert.deepEqual(clock.delays, [])
})

test('without a token there is no connection, and coming back makes sense', async () => {
  const heard = new HeardEvents()
  const failing = () => Promise.reject(new Error('signed out'))
  const gateway = testGateway('http://127.0.0.1:1', { token: failing })
  const request = { gateway, channels: ['a'], progress: new Progress() }
  new LongPollTransport().open(request, heard.take)
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['token_unavailable', true])
})
