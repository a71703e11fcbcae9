/** One connection for all: which transport, when again, and what stops it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProbeAnswer } from '../probe.js'
import { Session, type SessionState } from '../session.js'
import { TidegateError } from '../tidegate-error.js'
import type { ConnectionEvent } from '../transport.js'
import { FakeClock } from './fake-clock.js'
import { FakeTransport } from './fake-transports.js'
import { testGateway } from './test-gateway.js'

function refusal(retryAfterMs?: number): TidegateError {
  return new TidegateError('overloaded', 'busy', { retryable: true, retryAfterMs })
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

function start() {
  const clock = new FakeClock()
  const [socket, stream, poll] = [
    new FakeTransport('websocket'),
    new FakeTransport('event-stream'),
    new FakeTransport('long-poll'),
  ]
  const states: SessionState[] = []
  const events: ConnectionEvent[] = []
  const asked: (readonly string[])[] = []
  const world: { answer: ProbeAnswer } = { answer: 'works' }
  const session = new Session(
    {
      gateway: testGateway('http://gateway', { clock }),
      transports: [socket, stream, poll],
      probe: async (channels) => {
        asked.push(channels)
        return world.answer
      },
    },
    { event: (event) => events.push(event), state: (state) => states.push(state) },
  )
  /** It fails before its welcome, and the session comes to its next attempt. */
  const fail = async (transport: FakeTransport): Promise<void> => {
    transport.connection.lose()
    await settle()
    clock.advance(clock.delays[0] ?? 0)
  }
  return { ...{ clock, socket, stream, poll, states, events, asked, world, session, fail } }
}

test('nothing is opened before a channel is wanted, and nothing kept when none is', () => {
  const { session, socket, states } = start()
  session.update([])
  assert.equal(socket.connections.length, 0)
  session.update(['a'])
  socket.connection.welcome()
  session.update([])
  assert.equal(socket.connection.isClosed, true)
  assert.deepEqual(
    states.map(({ type }) => type),
    ['connecting', 'connected', 'idle'],
  )
})

test('channels change within a WebSocket, and by a new request elsewhere', async () => {
  const { session, socket, stream, fail } = start()
  session.update(['a'])
  session.update(['a', 'b'])
  assert.deepEqual(socket.connection.updates, [['a', 'b']])
  assert.equal(socket.connections.length, 1)
  for (let failure = 0; failure < 3; failure += 1) await fail(socket)
  stream.connection.welcome()
  session.progress.moveTo('c1', ['a', 'b'])
  session.update(['a'])
  assert.equal(stream.connections.length, 2)
  assert.equal(stream.connections[0]?.isClosed, true)
  assert.deepEqual(stream.connection.request.channels, ['a'])
  assert.equal(stream.connection.request.progress.place('a'), 'c1')
  assert.equal(session.progress.place('b'), undefined, 'it is not wanted any more')
})

test('a transport that fails three times while HTTP works is passed over for a while', async () => {
  const { session, socket, stream, asked, clock, fail } = start()
  session.update(['a'])
  for (const opened of [2, 3]) {
    await fail(socket)
    assert.equal(socket.connections.length, opened)
  }
  await fail(socket)
  assert.deepEqual(asked, [['a'], ['a'], ['a']])
  assert.equal(stream.connections.length, 1)
  stream.connection.welcome()
  clock.advance(700_000)
  stream.connection.lose()
  clock.advance(clock.delays[0] ?? 0)
  assert.equal(socket.connections.length, 4)
})

test('what opens and stays silent is passed over after the second time', async () => {
  const { session, socket, stream, clock } = start()
  session.update(['a'])
  for (let silence = 0; silence < 2; silence += 1) {
    assert.equal(stream.connections.length, 0)
    socket.connection.lose({ code: 'connection_silent' })
    await settle()
    clock.advance(clock.delays[0] ?? 0)
  }
  assert.equal(stream.connections.length, 1)
})

test('a gateway that is away or refuses never makes pollers of WebSocket clients', async () => {
  const { session, socket, stream, poll, world, fail } = start()
  session.update(['a'])
  for (const answer of ['unreachable', refusal(), refusal(5_000)] as const) {
    world.answer = answer
    for (let failure = 0; failure < 10; failure += 1) await fail(socket)
  }
  assert.equal(socket.connections.length, 31)
  assert.equal(stream.connections.length + poll.connections.length, 0)
})

test('a refusal by HTTP is obeyed: how long, and whether at all', async () => {
  const { session, socket, clock, world } = start()
  session.update(['a'])
  world.answer = refusal(5_000)
  socket.connection.lose()
  await settle()
  assert.deepEqual(clock.delays, [5_500])
  session.wake(false)
  assert.equal(socket.connections.length, 1, 'the server has said when')
  clock.advance(5_500)
  world.answer = new TidegateError('token_invalid', 'no')
  socket.connection.lose()
  await settle()
  assert.deepEqual(session.state, { type: 'closed', code: 'token_invalid', message: 'no' })
})

test('who was welcomed comes back by the same transport, and asks nobody', async () => {
  const { session, socket, asked, clock } = start()
  session.update(['a'])
  for (let failure = 0; failure < 5; failure += 1) {
    socket.connection.welcome()
    socket.connection.lose()
    await settle()
    clock.advance(clock.delays[0] ?? 0)
  }
  assert.equal(socket.connections.length, 6)
  assert.deepEqual(asked, [])
})

test('a wake-up shortens a wait of our own to a second, by chance', () => {
  const { session, socket, states, clock } = start()
  session.update(['a'])
  socket.connection.welcome()
  socket.connection.lose()
  assert.equal(states.at(-1)?.type, 'waiting')
  session.wake(false)
  session.wake(false)
  assert.equal(socket.connections.length, 1, 'nor do all come together')
  assert.deepEqual(clock.delays, [500])
  clock.advance(500)
  assert.equal(socket.connections.length, 2)
  assert.equal(states.at(-1)?.type, 'connecting')
  socket.connection.lose()
  session.wake(false)
  assert.equal(socket.connections.length, 2, 'nor again and again')
})

test('who closes while HTTP is asked hears nothing more', async () => {
  const { session, socket, states, clock } = start()
  session.update(['a'])
  socket.connection.lose()
  session.close()
  await settle()
  assert.deepEqual(states.at(-1), {
    type: 'closed',
    code: 'closed',
    message: 'the client was closed',
  })
  assert.deepEqual(clock.delays, [])
  session.update(['b'])
  session.wake(false)
  assert.equal(socket.connections.length, 1)
})

test('when all channels have ended it rests, until another is wanted', () => {
  const { session, socket, states } = start()
  session.update(['a'])
  socket.connection.welcome()
  socket.connection.lose({ code: 'ended', retryable: false })
  assert.equal(states.at(-1)?.type, 'idle')
  session.update(['a', 'b'])
  assert.deepEqual(socket.connection.request.channels, ['a', 'b'])
})

test('channels that are wanted while it waits are in the next request', () => {
  const { session, socket, clock } = start()
  session.update(['a'])
  socket.connection.welcome()
  socket.connection.lose()
  session.update(['a', 'b'])
  clock.advance(1_000)
  assert.deepEqual(socket.connection.request.channels, ['a', 'b'])
})

test('only a suspect connection is asked whether it lives, and none that is not open', () => {
  const { session, socket } = start()
  session.wake(true)
  session.update(['a'])
  session.wake(true)
  assert.equal(socket.connection.checks, 0)
  socket.connection.welcome()
  session.wake(false)
  assert.equal(socket.connection.checks, 0)
  session.wake(true)
  assert.equal(socket.connection.checks, 1)
})

test('a channel that pauses keeps its place, one that is left does not', () => {
  const { session, socket } = start()
  session.update(['a', 'b', 'c'])
  socket.connection.welcome()
  for (const name of ['a', 'b', 'c']) session.progress.resume(name, `place of ${name}`)
  session.update(['c'], new Set(['a']))
  assert.deepEqual(socket.connection.updates, [['c']])
  session.update(['c', 'a', 'b'])
  const places = ['a', 'b', 'c'].map((name) => session.progress.place(name))
  assert.deepEqual(places, ['place of a', undefined, 'place of c'])
  session.update(['c'], new Set(['a']))
  session.update(['c'])
  assert.equal(session.progress.place('a'), undefined, 'it was left while it paused')
})

test('a WebSocket whose channels all pause stays open', () => {
  const { session, socket } = start()
  session.update(['a'])
  socket.connection.welcome()
  session.update([], new Set(['a']))
  assert.equal(socket.connection.isClosed, false)
  session.update(['a'])
  assert.deepEqual(socket.connection.updates, [[], ['a']])
  session.update([], new Set(['a']))
  session.update([])
  assert.equal(session.state.type, 'idle')
  assert.equal(socket.connection.isClosed, true)
})

test('places that cannot be read are given up, with gaps, and not in a circle', () => {
  const { session, socket, events, states, clock } = start()
  const refused = { code: 'bad_request', message: 'no', retryable: false }
  session.update(['a', 'b'])
  session.progress.resume('a', 'what another version wrote')
  socket.connection.lose(refused)
  assert.deepEqual(events, [{ type: 'gap', channel: 'a', reason: 'cursor_expired' }])
  assert.equal(states.at(-1)?.type, 'waiting')
  clock.advance(1_000)
  assert.equal(socket.connection.request.progress.place('a'), undefined)
  socket.connection.lose(refused)
  assert.equal(events.length, 1)
  assert.deepEqual(states.at(-1), { type: 'closed', code: 'bad_request', message: 'no' })
})

test('a token that a connection is refused for is not shown again', async () => {
  const { session, socket, clock } = start()
  session.update(['a'])
  const { gateway } = socket.connection.request
  gateway.welcomed({ expiresAt: clock.now() + 1_000_000, ticket: 'k' })
  assert.equal(await gateway.credentials.get(), 'ticket.k')
  socket.connection.lose({ code: 'token_expired' })
  assert.equal(await gateway.credentials.get(), 'bearer.t')
})
