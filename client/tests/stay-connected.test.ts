/** Coming back: when, how often, and with what cursor. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { stayConnected } from '../stay-connected.js'
import type { ClosedEvent, ConnectionEvent, ConnectionRequest, Transport } from '../transport.js'
import { FakeClock } from './fake-clock.js'
import { HeardEvents } from './heard-events.js'

class FakeTransport implements Transport {
  readonly name = 'long-poll'
  readonly requests: ConnectionRequest[] = []
  canUpdate = false
  closeCount = 0
  cursor: string | undefined
  say: (event: ConnectionEvent) => void = () => undefined

  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void) {
    this.requests.push(request)
    this.say = onEvent
    const update = () => this.canUpdate
    return { cursor: this.cursor, update, close: () => this.closeCount++ }
  }
}

const lost: ClosedEvent = { type: 'closed', code: 'connection_lost', message: '', retryable: true }

function start(random: () => number = () => 1) {
  const transport = new FakeTransport()
  const clock = new FakeClock()
  const heard = new HeardEvents()
  const request = { url: 'http://gateway', token: () => Promise.resolve('t'), channels: ['a'] }
  const open = () => stayConnected(transport, request, heard.take, { clock, random })
  return { transport, clock, heard, open }
}

test('the ceiling of the wait doubles with each failure and stops at 30 s', () => {
  const { transport, clock, open } = start()
  open()
  const waits: number[] = []
  for (let failure = 0; failure < 7; failure++) {
    transport.say(lost)
    const wait = clock.delays[0] ?? -1
    waits.push(wait)
    clock.advance(wait)
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  assert.equal(transport.requests.length, 8)
})

test('the wait is chosen by chance between nothing and its ceiling', () => {
  const { transport, clock, heard, open } = start(() => 0.25)
  open()
  transport.say(lost)
  assert.deepEqual(clock.delays, [250])
  assert.equal(heard.of('closed')[0]?.retryAfterMs, 250)
})

test('Retry-After is a floor, with chance on top so that nobody comes together', () => {
  const { transport, clock, open } = start(() => 0.5)
  open()
  transport.say({ ...lost, code: 'overloaded', retryAfterMs: 7_000 })
  assert.deepEqual(clock.delays, [7_500])
})

test('a welcome alone does not reset the backoff, ten good seconds do', () => {
  const { transport, clock, open } = start()
  open()
  transport.say(lost)
  clock.advance(1_000)
  transport.say({ type: 'welcome', subscriptions: [] })
  transport.say(lost)
  assert.deepEqual(clock.delays, [2_000])
  clock.advance(2_000)
  transport.say({ type: 'welcome', subscriptions: [] })
  clock.advance(10_000)
  transport.say(lost)
  assert.deepEqual(clock.delays, [1_000])
})

test('an expired token comes back at once, and not in a circle', () => {
  const { transport, clock, open } = start()
  open()
  transport.say({ ...lost, code: 'token_expired' })
  assert.deepEqual(clock.delays, [0])
  clock.advance(0)
  transport.say({ ...lost, code: 'token_expired' })
  assert.deepEqual(clock.delays, [2_000])
})

test('what the application must mend is told once and never tried again', () => {
  const { transport, clock, heard, open } = start()
  open()
  transport.say({ ...lost, code: 'token_invalid', retryable: false })
  assert.deepEqual(clock.delays, [])
  const [closed] = heard.of('closed')
  assert.equal(closed?.code, 'token_invalid')
  assert.equal(closed?.retryAfterMs, undefined)
})

test('the next connection starts at the cursor where the last one ended', () => {
  const { transport, clock, open } = start()
  transport.cursor = 'c7'
  const connection = open()
  transport.say(lost)
  clock.advance(1_000)
  assert.equal(transport.requests[0]?.cursor, undefined)
  assert.equal(transport.requests[1]?.cursor, 'c7')
  assert.equal(connection.cursor, 'c7')
})

test('the next connection knows what the ones before it have got', () => {
  const { transport, clock, open } = start()
  open()
  transport.requests[0]?.progress?.chain.begin('a', 7)
  transport.say(lost)
  clock.advance(1_000)
  const { chain } = transport.requests[1]?.progress ?? {}
  assert.equal(chain?.check({ channel: 'a', offset: 7 }), 'duplicate')
})

test('channels that were changed are those of the next connection', () => {
  const { transport, clock, open } = start()
  const connection = open()
  assert.equal(connection.update(['b']), false)
  transport.say(lost)
  clock.advance(1_000)
  assert.deepEqual(transport.requests[1]?.channels, ['a'], 'this transport could not')
  transport.canUpdate = true
  assert.equal(connection.update(['b']), true)
  transport.say(lost)
  clock.advance(2_000)
  assert.deepEqual(transport.requests[2]?.channels, ['b'])
})

test('close() ends the connection, and the wait for the next', () => {
  const { transport, clock, open } = start()
  open().close()
  assert.equal(transport.closeCount, 1)
  const waiting = open()
  transport.say(lost)
  waiting.close()
  assert.deepEqual(clock.delays, [])
})
