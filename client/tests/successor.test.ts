/** A node that leaves: the next connection is there before the last one goes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Session, type SessionState } from '../session.js'
import type { ConnectionEvent } from '../transport.js'
import { FakeClock } from './fake-clock.js'
import { FakeTransport, type FakeConnection } from './fake-transports.js'
import { testGateway } from './test-gateway.js'

const epoch = 'aaaaaaaaaaaa'
const slotMs = 4_000

/** A session that is connected, and told to be elsewhere soon. */
function start(name: 'websocket' | 'event-stream' = 'websocket') {
  const clock = new FakeClock()
  const socket = new FakeTransport(name)
  const states: SessionState[] = []
  const events: ConnectionEvent[] = []
  const session = new Session(
    {
      gateway: testGateway('http://gateway', { clock }),
      transports: [socket],
      probe: async () => 'works',
    },
    { event: (event) => events.push(event), state: (state) => states.push(state) },
  )
  session.update(['a', 'b'])
  const old = socket.connection
  old.welcome()
  for (const name of ['a', 'b']) session.progress.begin(name, { epoch, offset: 0 }, false)
  old.say({ type: 'ready' })
  old.say({ type: 'reconnect', afterMs: slotMs })
  const succeed = (): FakeConnection => {
    clock.advance(slotMs)
    assert.equal(socket.connections.length, 2)
    return socket.connection
  }
  const published = () =>
    events.flatMap((event) => (event.type === 'publication' ? [event.publication.data] : []))
  const opened = () => [old, socket.connection].map(({ isClosed }) => !isClosed)
  return { clock, socket, states, events, session, old, succeed, published, opened }
}

test('it opens at its slot, takes over when it is ready, and only then the old one goes', () => {
  const { clock, socket, states, old, succeed, opened } = start()
  assert.deepEqual(clock.delays, [slotMs])
  assert.equal(socket.connections.length, 1)
  const next = succeed()
  assert.deepEqual(next.request.channels, ['a', 'b'])
  assert.equal(next.request.progress, old.request.progress)
  next.welcome()
  assert.deepEqual(opened(), [true, true])
  next.say({ type: 'ready' })
  assert.deepEqual(opened(), [false, true])
  const types = states.map(({ type }) => type)
  assert.deepEqual(types, ['connecting', 'connected', 'connected'], 'it was never without one')
  assert.deepEqual(clock.delays, [])
  next.lose()
  assert.equal(states.at(-1)?.type, 'waiting')
})

test('what both bring comes once; an ephemeral channel goes over when the old one is gone', () => {
  const { old, succeed, published, session } = start()
  session.progress.beginEphemeral('b')
  const next = succeed()
  assert.deepEqual(next.request.channels, ['a'])
  next.welcome()
  const durable = (offset: number) =>
    ({ channel: 'a', offset, previous: offset - 1, time: 1, data: offset }) as const
  for (const each of [old, next]) each.publish(durable(1))
  for (const each of [next, old]) each.publish(durable(2))
  old.publish({ channel: 'b', time: 1, data: 'from the old one' })
  next.say({ type: 'ready' })
  assert.deepEqual(next.updates, [['a', 'b']])
  next.publish({ channel: 'b', time: 1, data: 'from the next' })
  next.publish(durable(3))
  assert.deepEqual(published(), [1, 2, 'from the old one', 'from the next', 3])
})

test('what a successor is told of its channels is heard', () => {
  const { events, succeed } = start()
  const next = succeed()
  events.length = 0
  next.welcome()
  const told = [
    { type: 'gap', channel: 'a', reason: 'expired', after: 1, before: 3 },
    { type: 'ended', channel: 'a' },
    { type: 'problem', channel: 'b', code: 'forbidden', message: 'no' },
  ] as const
  for (const event of told) next.say(event)
  assert.deepEqual(events, told)
})

test('a successor that fails leaves the old one alone, until that goes as well', () => {
  const { clock, socket, states, old, succeed, opened } = start()
  succeed().lose({ code: 'token_invalid', retryable: false })
  assert.equal(old.isClosed, false)
  assert.equal(states.at(-1)?.type, 'connected')
  old.lose({ code: 'draining' })
  assert.equal(states.at(-1)?.type, 'waiting')
  clock.advance(1_000)
  assert.equal(socket.connections.length, 3)
  socket.connection.welcome()
  assert.equal(states.at(-1)?.type, 'connected')
  assert.deepEqual(opened(), [false, true])
})

for (const isWelcome of [false, true]) {
  const stage = isWelcome ? 'was welcomed' : 'has only been opened'
  test(`when the old one dies, a successor that ${stage} is what there is`, () => {
    const { states, succeed, old, socket, published } = start()
    const next = succeed()
    if (isWelcome) next.welcome()
    old.lose()
    assert.equal(states.at(-1)?.type, 'connecting')
    assert.equal(next.isClosed, false)
    next.publish({ channel: 'b', time: 1, data: 1 })
    assert.deepEqual(published(), [1], 'nobody else brings it')
    if (!isWelcome) next.welcome()
    next.say({ type: 'ready' })
    assert.equal(states.at(-1)?.type, 'connected')
    assert.equal(socket.connections.length, 2)
  })
}

test('when both die it waits, and comes back once', () => {
  const { clock, states, succeed, old, socket } = start()
  const next = succeed()
  old.lose()
  next.lose()
  assert.equal(states.at(-1)?.type, 'waiting')
  assert.equal(clock.delays.length, 1)
  clock.advance(60_000)
  assert.equal(socket.connections.length, 3)
})

test('who is lost before the slot comes back as after any other loss', () => {
  const { clock, states, old, socket } = start()
  old.lose({ code: 'draining', retryAfterMs: 10_000 })
  assert.equal(states.at(-1)?.type, 'waiting')
  clock.advance(slotMs)
  assert.equal(socket.connections.length, 1, 'the slot was its own')
  clock.advance(60_000)
  assert.equal(socket.connections.length, 2)
})

test('channels that change meanwhile change in both', () => {
  const { session, old, succeed } = start()
  const next = succeed()
  session.progress.begin('c', { epoch, offset: 0 }, false)
  session.update(['b', 'c'])
  assert.deepEqual([old.updates, next.updates], [[['b', 'c']], [['b', 'c']]])
  next.welcome()
  next.say({ type: 'ready' })
  assert.deepEqual(next.updates.at(-1), ['b', 'c'])
  session.update(['c'])
  assert.deepEqual(old.updates.length, 1)
  assert.deepEqual(next.updates.at(-1), ['c'])
})

test('an event stream goes on from its cursor, in a new request at the slot', () => {
  const { socket, clock, states } = start('event-stream')
  const [old] = socket.connections
  clock.advance(slotMs)
  assert.equal(socket.connections.length, 2)
  assert.equal(old?.isClosed, true)
  assert.deepEqual(socket.connection.request.channels, ['a', 'b'])
  assert.equal(states.at(-1)?.type, 'connecting')
})

test('who leaves everything or closes leaves both', () => {
  for (const leave of ['update', 'close'] as const) {
    const { session, succeed, opened, clock } = start()
    succeed()
    if (leave === 'close') session.close()
    else session.update([])
    assert.deepEqual(opened(), [false, false])
    assert.deepEqual(clock.delays, [])
  }
})

test('a successor may be told to leave as well', () => {
  const { succeed, socket, clock } = start()
  const next = succeed()
  next.welcome()
  next.say({ type: 'ready' })
  next.say({ type: 'reconnect', afterMs: slotMs })
  clock.advance(slotMs)
  assert.equal(socket.connections.length, 3)
})
