/** WebSockets against a real server. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { test, type TestContext } from 'node:test'
import { WebSocketServer, type WebSocket } from 'ws'
import { Progress } from '../progress.js'
import { WebSocketTransport } from '../websocket-transport.js'
import { FakeClock } from './fake-clock.js'
import { HeardEvents } from './heard-events.js'
import { startHttp } from './http-server.js'
import { openNodeSocket } from './node-transports.js'
import { testGateway } from './test-gateway.js'
import { until } from './until.js'

interface Accepted {
  readonly socket: WebSocket
  readonly request: IncomingMessage
  /** What the client has sent. */
  readonly frames: Record<string, unknown>[]
  readonly say: (frame: object) => void
}

/** A gateway of the test's own. Each token that is asked for is another: t1, t2 … */
async function serve(t: TestContext, provider?: () => string) {
  const { url, server } = await startHttp(t, (_request, response) => response.end())
  const sockets = new WebSocketServer({ server, handleProtocols: () => 'tidegate.v1.json' })
  const clock = new FakeClock()
  const tokens: string[] = []
  const token = provider ?? (() => `t${tokens.push('')}`)
  const gateway = testGateway(url, { clock, token })
  const transport = new WebSocketTransport(openNodeSocket)
  /** One connection more. */
  const open = async (channels: readonly string[] = ['a']) => {
    const accepted = once(sockets, 'connection')
    const heard = new HeardEvents()
    const request = { gateway, channels, progress: new Progress() }
    const connection = transport.open(request, heard.take)
    t.after(() => connection.close())
    const [socket, handshake] = (await accepted) as [WebSocket, IncomingMessage]
    const say = (frame: object) => socket.send(JSON.stringify(frame))
    const peer: Accepted = { socket, request: handshake, frames: [], say }
    socket.on('message', (data: Buffer) => {
      peer.frames.push(JSON.parse(data.toString()) as Record<string, unknown>)
    })
    return { ...peer, clock, heard, connection }
  }
  return { clock, gateway, open }
}

/** A client that is connected, and not welcome yet. */
async function connect(t: TestContext, channels?: readonly string[]) {
  const { open } = await serve(t)
  return await open(channels)
}

function protocolOf({ request }: Accepted): string | undefined {
  return request.headers['sec-websocket-protocol']
}

function welcome(clock: FakeClock, subscriptions: readonly string[] = [], more: object = {}) {
  return {
    type: 'welcome',
    connection: 'c',
    node: 'n',
    expiresAt: clock.now() + 600_000,
    // Longer than the token lives: only what is tested here runs out.
    heartbeatSeconds: 600,
    subscriptions,
    ...more,
  }
}

test('the token travels as a subprotocol beside ours, and not in the address', async (t) => {
  const connected = await connect(t)
  assert.equal(protocolOf(connected), 'tidegate.v1.json,bearer.t1')
  assert.equal(connected.request.url, '/v1/events')
})

test('after the welcome every channel is subscribed, those of the token anew', async (t) => {
  const { frames, clock, heard, say } = await connect(t, ['a', 'b', 'c'])
  say(welcome(clock, ['b']))
  await heard.next('welcome')
  await until(() => frames.length === 4)
  assert.deepEqual(frames, [
    { type: 'unsubscribe', id: 1, channel: 'b' },
    { type: 'subscribe', id: 2, channel: 'a' },
    { type: 'subscribe', id: 3, channel: 'b' },
    { type: 'subscribe', id: 4, channel: 'c' },
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
  [4321, 'of_tomorrow', true],
  [1011, 'connection_lost', true],
  [4500, 'token_invalid', false],
  [4999, 'of_tomorrow', false],
] as const) {
  const policy = retryable ? 'may come back' : 'stops'
  test(`a client closed with ${code} ${policy}, by the range alone`, async (t) => {
    const { socket, heard } = await connect(t)
    socket.close(code, code === 1011 ? 'a bug in a proxy' : word)
    const closed = await heard.next('closed')
    assert.equal(closed.code, word)
    assert.equal(closed.retryable, retryable)
  })
}

test('a socket that ends without a word was lost', async (t) => {
  const { socket, heard } = await connect(t)
  socket.terminate()
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['connection_lost', true])
})

test('a socket that ends without a word was lost', async (t) => {
  const { socket, heard } = await connect(t)
  socket.terminate()
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['connection_lost', true])
})

test('the token is refreshed in band before it expires', async (t) => {
  const { frames, clock, heard, say } = await connect(t, [])
  say(welcome(clock))
  await heard.next('welcome')
  clock.advance(479_999)
  assert.ok(clock.delays.includes(1))
  clock.advance(1)
  await until(() => frames.length === 1)
  assert.deepEqual(frames, [{ type: 'refresh', id: 1, token: 't2' }])
  say({ type: 'refreshed', id: 1, expiresAt: clock.now() + 1_000 })
  await until(() => clock.delays.includes(800))
})

test('a refresh that is refused is tried again with another token, before expiry', async (t) => {
  const { frames, clock, heard, say } = await connect(t, [])
  say(welcome(clock))
  await heard.next('welcome')
  clock.advance(480_000)
  await until(() => frames.length === 1)
  say({ type: 'error', id: 1, code: 'token_invalid', message: 'no' })
  assert.equal((await heard.next('problem')).code, 'token_invalid')
  clock.advance(96_000)
  await until(() => frames.length === 2)
  assert.deepEqual(frames[1], { type: 'refresh', id: 2, token: 't3' })
  say({ type: 'error', id: 2, code: 'rate_limited', message: 'later' })
  await heard.next('problem', 2)
  clock.advance(20_000)
  await until(() => frames.length === 3)
  assert.deepEqual(frames[2], { type: 'refresh', id: 3, token: 't3' }, 'nothing is wrong with it')
  assert.deepEqual(heard.of('closed'), [])
})

test('a provider that fails is asked again before expiry, while it is connected', async (t) => {
  let tries = 0
  const token = () => {
    if (++tries === 2) throw new Error('signed out')
    return `t${tries}`
  }
  const { open } = await serve(t, token)
  const { frames, clock, heard, connection, say } = await open([])
  say(welcome(clock))
  await heard.next('welcome')
  clock.advance(480_000)
  assert.equal((await heard.next('problem')).code, 'token_unavailable')
  clock.advance(96_000)
  await until(() => frames.length === 1)
  assert.deepEqual(frames, [{ type: 'refresh', id: 1, token: 't3' }])
  connection.close()
  assert.deepEqual(clock.delays, [])
})

test('a refresh whose answer does not come is tried again, and stops when it does', async (t) => {
  const { frames, clock, heard, say } = await connect(t, [])
  say(welcome(clock))
  await heard.next('welcome')
  clock.advance(480_000)
  await until(() => frames.length === 1)
  clock.advance(96_000)
  await until(() => frames.length === 2)
  say({ type: 'refreshed', id: 2, expiresAt: clock.now() + 1_000_000 })
  await until(() => clock.delays.includes(800_000))
  clock.advance(24_000)
  assert.equal(frames.length, 2)
})

test('two heartbeats missed are a lost connection', async (t) => {
  const { clock, heard, say } = await connect(t, [])
  say(welcome(clock, [], { heartbeatSeconds: 30 }))
  await heard.next('welcome')
  clock.advance(59_999)
  assert.deepEqual(heard.of('closed'), [])
  clock.advance(1)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('whatever is heard keeps a connection', async (t) => {
  const { clock, heard, say } = await connect(t, [])
  say(welcome(clock, [], { heartbeatSeconds: 30 }))
  await heard.next('welcome')
  clock.advance(50_000)
  say({ type: 'gap', channel: 'a', reason: 'other_node' })
  await heard.next('gap')
  clock.advance(59_999)
  assert.deepEqual(heard.of('closed'), [])
  clock.advance(1)
  assert.equal(heard.of('closed').length, 1)
})

test('who is asked and does not answer within 5 s has gone', async (t) => {
  const { clock, heard, say, connection, frames } = await connect(t, [])
  say(welcome(clock))
  await heard.next('welcome')
  connection.check()
  await until(() => frames.length === 1)
  assert.deepEqual(frames, [{ type: 'ping' }])
  clock.advance(4_999)
  assert.deepEqual(heard.of('closed'), [])
  clock.advance(1)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('who is asked and answers is kept, for as long as before', async (t) => {
  const { socket, clock, heard, say, connection, frames } = await connect(t, [])
  say(welcome(clock, [], { heartbeatSeconds: 30 }))
  await heard.next('welcome')
  connection.check()
  await until(() => frames.length === 1)
  clock.advance(4_000)
  say({ type: 'pong' })
  say({ type: 'gap', channel: 'a', reason: 'other_node' })
  await heard.next('gap')
  clock.advance(50_000)
  assert.deepEqual(heard.of('closed'), [])
  assert.equal(socket.readyState, socket.OPEN)
})

test('a socket that opens without a welcome is given up after 10 s', async (t) => {
  const { clock, heard } = await connect(t)
  clock.advance(9_999)
  assert.deepEqual(heard.of('closed'), [])
  clock.advance(1)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('what is no JSON ends the connection, and coming back makes sense', async (t) => {
  const { socket, heard } = await connect(t)
  socket.send('<html>')
  const closed = await heard.next('closed')
  assert.equal(closed.code, 'protocol_error')
  assert.equal(closed.retryable, true)
})

test('a node that leaves says when another connection is to be there', async (t) => {
  const { clock, heard, say } = await connect(t, [])
  say(welcome(clock))
  say({ type: 'reconnect', afterMs: 1_700 })
  assert.deepEqual(await heard.next('reconnect'), { type: 'reconnect', afterMs: 1_700 })
  assert.deepEqual(heard.of('closed'), [])
})

test('what it does not know is nothing to it', async (t) => {
  const { clock, heard, say } = await connect(t, [])
  say(welcome(clock))
  say({ type: 'tomorrow', channel: 'a' })
  say({ type: 'reconnect', afterMs: 1 })
  await heard.next('reconnect')
  assert.deepEqual(
    heard.all.map(({ type }) => type),
    ['welcome', 'ready', 'reconnect'],
  )
})

test('who was given a ticket comes back with it, until the token is to be renewed', async (t) => {
  const { clock, open } = await serve(t)
  const first = await open([])
  first.say(welcome(clock, [], { ticket: 'q1' }))
  await first.heard.next('welcome')
  const second = await open([])
  assert.equal(protocolOf(second), 'tidegate.v1.json,ticket.q1')
  second.say(welcome(clock, [], { ticket: 'q2', expiresAt: clock.now() + 1_000 }))
  await second.heard.next('welcome')
  assert.equal(protocolOf(await open([])), 'tidegate.v1.json,ticket.q2')
  clock.advance(800)
  assert.equal(protocolOf(await open([])), 'tidegate.v1.json,bearer.t2')
})

test('a ticket that is refused is not shown again', async (t) => {
  const { clock, gateway, open } = await serve(t)
  const first = await open([])
  first.say(welcome(clock, [], { ticket: 'q1' }))
  await first.heard.next('welcome')
  gateway.credentials.refuse()
  assert.equal(protocolOf(await open([])), 'tidegate.v1.json,bearer.t2')
})

test('the gateway tells for how long it knows a publication by its key', async (t) => {
  const { clock, gateway, open } = await serve(t)
  assert.equal(gateway.duplicateWindowMs, 120_000)
  const { heard, say } = await open([])
  say(welcome(clock, [], { duplicateWindowSeconds: 30 }))
  await heard.next('welcome')
  assert.equal(gateway.duplicateWindowMs, 30_000)
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

test('a token that no subprotocol can carry is no connection, and may be another', async () => {
  const heard = new HeardEvents()
  const gateway = testGateway('http://127.0.0.1:1', { token: () => 'ü ü' })
  const request = { gateway, channels: ['a'], progress: new Progress() }
  new WebSocketTransport(openNodeSocket).open(request, heard.take)
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['protocol_error', true])
})

test('without a token there is no connection, and coming back makes sense', async () => {
  const heard = new HeardEvents()
  const token = () => Promise.reject(new Error('signed out'))
  const gateway = testGateway('http://127.0.0.1:1', { token })
  const request = { gateway, channels: ['a'], progress: new Progress() }
  new WebSocketTransport(openNodeSocket).open(request, heard.take)
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['token_unavailable', true])
})
