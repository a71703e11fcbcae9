/** Coming back: when, how often, and from where. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Session, type SessionState } from '../session.js'
import type { TransportName } from '../transport.js'
import { FakeClock } from './fake-clock.js'
import { FakeTransport } from './fake-transports.js'
import { testGateway } from './test-gateway.js'

function start(random: () => number = () => 1, name: TransportName = 'long-poll') {
  const transport = new FakeTransport(name)
  const clock = new FakeClock()
  const states: SessionState[] = []
  const session = new Session(
    {
      gateway: testGateway('http://gateway', { clock, random }),
      transports: [transport],
      probe: () => assert.fail('there is no other transport to go to'),
    },
    { event: () => undefined, state: (state) => states.push(state) },
  )
  session.update(['a'])
  return { transport, clock, session, states }
}

test('the ceiling of the wait doubles with each failure and stops at 30 s', () => {
  const { transport, clock } = start()
  const waits: number[] = []
  for (let failure = 0; failure < 7; failure++) {
    transport.connection.lose()
    const wait = clock.delays[0] ?? -1
    waits.push(wait)
    clock.advance(wait)
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  assert.equal(transport.connections.length, 8)
})

test('the wait is chosen by chance between nothing and its ceiling', () => {
  const { transport, clock, session } = start(() => 0.25)
  transport.connection.lose()
  assert.deepEqual(clock.delays, [250])
  const { state } = session
  assert.equal(state.type === 'waiting' && state.until, clock.now() + 250)
})

test('Retry-After is a floor, with chance on top so that nobody comes together', () => {
  const { transport, clock } = start(() => 0.5)
  transport.connection.lose({ code: 'overloaded', retryAfterMs: 7_000 })
  assert.deepEqual(clock.delays, [7_500])
})

test('a welcome alone does not reset the backoff, ten good seconds do', () => {
  const { transport, clock } = start()
  transport.connection.lose()
  clock.advance(1_000)
  transport.connection.welcome()
  transport.connection.lose()
  assert.deepEqual(clock.delays, [2_000])
  clock.advance(2_000)
  transport.connection.welcome()
  clock.advance(10_000)
  transport.connection.lose()
  assert.deepEqual(clock.delays, [1_000])
})

test('an expired token comes back at once, and not in a circle', () => {
  const { transport, clock } = start()
  transport.connection.lose({ code: 'token_expired' })
  assert.deepEqual(clock.delays, [0])
  clock.advance(0)
  transport.connection.lose({ code: 'token_expired' })
  assert.deepEqual(clock.delays, [2_000])
})

test('what the application must mend is told once and never tried again', () => {
  const { transport, clock, states } = start()
  transport.connection.lose({ code: 'token_invalid', message: 'no', retryable: false })
  assert.deepEqual(clock.delays, [])
  const closed = states.filter(({ type }) => type === 'closed')
  assert.deepEqual(closed, [{ type: 'closed', code: 'token_invalid', message: 'no' }])
})

test('the next connection starts where the last one ended', () => {
  const { transport, clock } = start()
  const { progress } = transport.connection.request
  assert.equal(progress.place('a'), undefined)
  progress.moveTo('c7', ['a'])
  transport.connection.lose()
  clock.advance(1_000)
  assert.equal(transport.connections.length, 2)
  assert.equal(transport.connection.request.progress.place('a'), 'c7')
})

test('the next connection knows what the ones before it have got', () => {
  const { transport, clock } = start()
  const epoch = 'aaaaaaaaaaaa'
  transport.connection.request.progress.begin('a', { epoch, offset: 7 }, false)
  transport.connection.lose()
  clock.advance(1_000)
  const { progress } = transport.connection.request
  assert.equal(progress.take({ channel: 'a', offset: 7, time: 1 }), 'duplicate')
})

for (const name of ['long-poll', 'websocket'] as const) {
  test(`channels that were changed are those of the next connection, by ${name}`, () => {
    const { transport, clock, session } = start(undefined, name)
    session.update(['b'])
    transport.connection.lose()
    clock.advance(1_000)
    assert.deepEqual(transport.connection.request.channels, ['b'])
    assert.equal(transport.connections.length, name === 'websocket' ? 2 : 3)
  })
}

test('close() ends the connection, and the wait for the next', () => {
  const one = start()
  one.session.close()
  assert.equal(one.transport.connection.isClosed, true)
  const { transport, clock, session } = start()
  transport.connection.lose()
  session.close()
  assert.deepEqual(clock.delays, [])
})
