/** WebSockets against a real server. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { test, type TestContext } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { WebSocketTransport } from '../websocket-transport.js'
import { FakeClock } from './fake-clock.js'
import { HeardEvents } from './heard-events.js'
import { startHttp } from './http-server.js'
import { until } from './until.js'

interface Accepted {
  readonly socket: WebSocket
  readonly request: IncomingMessage
  /** What the client has sent. */
  readonly frames: Record<string, unknown>[]
}

/** A client that is connected to a server of the test's own. */
async function connect(t: TestContext, channels: readonly string[] = ['a']) {
  const { url, server } = await startHttp(t, (_request, response) => response.end())
  const sockets = new WebSocketServer({ server, handleProtocols: () => 'tidegate.v1.json' })
  const accepted = once(sockets, 'connection')
  const clock = new FakeClock()
  const heard = new HeardEvents()
  const tokens: string[] = []
  const token = () => Promise.resolve(`t${tokens.push('')}`)
  const transport = new WebSocketTransport(clock, (href, protocols) => {
    return new WebSocket(href, protocols)
  })
  const connection = transport.open({ url, token, channels }, heard.take)
  t.after(() => connection.close())
  const [socket, request] = (await accepted) as [WebSocket, IncomingMessage]
  const peer: Accepted = { socket, request, frames: [] }
  socket.on('message', (data: Buffer) => {
    peer.frames.push(JSON.parse(data.toString()) as Record<string, unknown>)
  })
  const say = (frame: object) => socket.send(JSON.stringify(frame))
  return { ...peer, clock, heard, connection, say }
}

function welcome(clock: FakeClock, subscriptions: readonly string[] = []) {
  return {
    type: 'welcome',
    connection: 'c',
    node: 'n',
    expiresAt: clock.now() + 600_000,
    heartbeatSeconds: 30,
    subscriptions,
  }
}

test('the token travels as a subprotocol beside ours, and the wire event hides it', async (t) => {
  const { request, heard } = await connect(t)
  assert.equal(request.headers['sec-websocket-protocol'], 'tidegate.v1.json,bearer.t1')
  assert.equal(request.url, '/v1/events')
  assert.ok(heard.of('wire').every((event) => !event.text.includes('t1')))
})

test('after the welcome every channel is subscribed that the token did not bring', async (t) => {
  const { frames, clock, heard, say } = await connect(t, ['a', 'b', 'c'])
  say(welcome(clock, ['b']))
  await heard.next('welcome')
  await until(() => frames.length === 2)
  assert.deepEqual(frames, [
    { type: 'subscribe', id: 1, channel: 'a' },
    { type: 'subscribe', id: 2, channel: 'c' },
  ])
})

test('publications and gaps are heard as they come', async (t) => {
  const { clock, heard, say } = await connect(t)
  say(welcome(clock))
  say({ type: 'subscribed', id: 1, channel: 'a' })
  say({ type: 'publication', channel: 'a', time: 5, data: { n: 1 } })
  say({ type: 'gap', channel: 'a', reason: 'broker_disconnected' })
  assert.deepEqual((await heard.next('publication')).publication.data, { n: 1 })
  assert.equal((await heard.next('gap')).reason, 'broker_disconnected')
})

test('a forbidden channel is a problem that names it, and the connection goes on', async (t) => {
  const { clock, heard, say } = await connect(t)
  say(welcome(clock))
  say({ type: 'error', id: 1, code: 'forbidden', message: 'no' })
  const problem = await heard.next('problem')
  assert.deepEqual(problem, { type: 'problem', code: 'forbidden', message: 'no', channel: 'a' })
  assert.deepEqual(heard.of('closed'), [])
})

test('a subscription that a broken broker refuses is made by coming back', async (t) => {
  const { clock, heard, say } = await connect(t)
  say(welcome(clock))
  say({ type: 'error', id: 1, code: 'broker_unavailable', message: 'away' })
  const closed = await heard.next('closed')
  assert.equal(closed.code, 'broker_unavailable')
  assert.equal(closed.retryable, true)
})

for (const [code, word, retryable] of [
  [4001, 'draining', true],
  [4003, 'token_expired', true],
  [4321, 'connection_lost', true],
  [1011, 'connection_lost', true],
  [4500, 'token_invalid', false],
  [4999, 'connection_lost', false],
] as const) {
  const policy = retryable ? 'may come back' : 'stops'
  test(`a client closed with ${code} ${policy}, by the range alone`, async (t) => {
    const { socket, heard } = await connect(t)
    socket.close(code)
    const closed = await heard.next('closed')
    assert.equal(closed.code, word)
    assert.equal(closed.retryable, retryable)
  })
}

test('the token is refreshed in band before it expires, and the wire event hides it', async (t) => {
  const { frames, clock, heard, say } = await connect(t, [])
  say(welcome(clock))
  await heard.next('welcome')
  // Heartbeats arrive meanwhile, else the connection would count as silent.
  for (let heartbeat = 1; heartbeat <= 17; heartbeat++) {
    say({ type: 'heartbeat' })
    await until(() => heard.of('wire').filter((e) => e.direction === 'in').length > heartbeat)
    clock.advance(30_000)
  }
  await until(() => frames.length === 1)
  assert.deepEqual(frames, [{ type: 'refresh', id: 1, token: 't2' }])
  assert.ok(heard.of('wire').every((event) => !event.text.includes('t2')))
  say({ type: 'refreshed', id: 1, expiresAt: clock.now() + 1_000 })
  await until(() => clock.delays.includes(800))
})

test('two heartbeats missed are a lost connection', async (t) => {
  const { clock, heard, say } = await connect(t, [])
  say(welcome(clock))
  await heard.next('welcome')
  clock.advance(59_999)
  assert.deepEqual(heard.of('closed'), [])
  clock.advance(10_001)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('a socket that opens without a welcome is given up after 10 s', async (t) => {
  const { clock, heard } = await connect(t)
  await until(() => clock.delays.length === 1)
  clock.advance(10_000)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('what is no JSON ends the connection, and coming back makes sense', async (t) => {
  const { socket, heard } = await connect(t)
  socket.send('<html>')
  const closed = await heard.next('closed')
  assert.equal(closed.code, 'protocol_error')
  assert.equal(closed.retryable, true)
})

test('close() closes the socket, and nothing more is heard', async (t) => {
  const { socket, clock, heard, connection, say } = await connect(t, [])
  say(welcome(clock))
  await heard.next('welcome')
  const gone = once(socket, 'close')
  connection.close()
  assert.equal((await gone)[0], 1000)
  assert.deepEqual(heard.of('closed'), [])
})
