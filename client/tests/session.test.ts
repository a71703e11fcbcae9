/** One connection for all: which transport, when again, and what stops it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProbeAnswer } from '../probe.js'
import { Session, type SessionState } from '../session.js'
import { FakeClock } from './fake-clock.js'
import { FakeTransport } from './fake-transports.js'

const refusal = { code: 'overloaded', message: 'busy', retryable: true }

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

function start(cursor?: string) {
  const clock = new FakeClock()
  const [socket, stream, poll] = [
    new FakeTransport('websocket'),
    new FakeTransport('event-stream'),
    new FakeTransport('long-poll'),
  ]
  const states: SessionState[] = []
  const asked: (readonly string[])[] = []
  const world: { answer: ProbeAnswer } = { answer: 'works' }
  const session = new Session(
    {
      ...{ url: 'http://gateway', token: async () => 't', transports: [socket, stream, poll] },
      ...(cursor !== undefined && { cursor }),
      probe: async (channels) => {
        asked.push(channels)
        return world.answer
      },
      pace: { clock, random: () => 0.5 },
    },
    { event: () => undefined, state: (state) => states.push(state) },
  )
  /** It fails before its welcome, and the session comes to its next attempt. */
  const fail = async (transport: FakeTransport): Promise<void> => {
    transport.connection.lose()
    await settle()
    clock.advance(clock.delays[0] ?? 0)
  }
  return { ...{ clock, socket, stream, poll, states, asked, world, session, fail } }
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
  await fail(socket)
  await fail(socket)
  stream.connection.welcome()
  stream.connection.cursor = 'c1'
  session.update(['a'])
  assert.equal(stream.connections.length, 2)
  assert.equal(stream.connections[0]?.isClosed, true)
  assert.deepEqual(stream.connection.request.channels, ['a'])
  assert.equal(stream.connection.request.cursor, 'c1')
})

test('a transport that fails twice while HTTP works is passed over for a while', async () => {
  const { session, socket, stream, asked, clock, fail } = start()
  session.update(['a'])
  await fail(socket)
  assert.equal(socket.connections.length, 2)
  await fail(socket)
  assert.deepEqual(asked, [['a'], ['a']])
  assert.equal(stream.connections.length, 1)
  stream.connection.welcome()
  clock.advance(700_000)
  stream.connection.lose()
  clock.advance(clock.delays[0] ?? 0)
  assert.equal(socket.connections.length, 3)
})

test('a gateway that is away or refuses never makes pollers of WebSocket clients', async () => {
  const { session, socket, stream, poll, world, fail } = start()
  session.update(['a'])
  for (const answer of ['unreachable', refusal, { ...refusal, retryAfterMs: 5_000 }] as const) {
    world.answer = answer
    for (let failure = 0; failure < 10; failure += 1) await fail(socket)
  }
  assert.equal(socket.connections.length, 31)
  assert.equal(stream.connections.length + poll.connections.length, 0)
})

test('a refusal by HTTP is obeyed: how long, and whether at all', async () => {
  const { session, socket, clock, world } = start()
  session.update(['a'])
  world.answer = { ...refusal, retryAfterMs: 5_000 }
  socket.connection.lose()
  await settle()
  assert.deepEqual(clock.delays, [5_500])
  session.wake()
  assert.equal(socket.connections.length, 1, 'the server has said when')
  clock.advance(5_500)
  world.answer = { code: 'token_invalid', message: 'no', retryable: false }
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
  session.wake()
  session.wake()
  assert.equal(socket.connections.length, 1, 'nor do all come together')
  assert.deepEqual(clock.delays, [500])
  clock.advance(500)
  assert.equal(socket.connections.length, 2)
  assert.equal(states.at(-1)?.type, 'connecting')
  socket.connection.lose()
  session.wake()
  assert.equal(socket.connections.length, 2, 'nor again and again')
})

test('who closes while HTTP is asked hears nothing more', async () => {
  const { session, socket, states, clock } = start()
  session.update(['a'])
  socket.connection.lose()
  session.close()
  await settle()
  assert.deepEqual(states.at(-1), { type: 'closed', code: 'closed', message: 'it was closed' })
  assert.deepEqual(clock.delays, [])
  session.update(['b'])
  session.wake()
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
