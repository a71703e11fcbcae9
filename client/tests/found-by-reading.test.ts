/** Faults that a reader of the code found, each as small as it gets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Session, type SessionState } from '../session.js'
import { LongPollTransport } from '../long-poll-transport.js'
import { Progress } from '../progress.js'
import { SingleConnection } from '../single-connection.js'
import { Tidegate } from '../tidegate.js'
import type { ConnectionEvent, ConnectionRequest } from '../transport.js'
import { FakeClock } from './fake-clock.js'
import { FakeTransport } from './fake-transports.js'
import { HeardEvents } from './heard-events.js'
import { epoch, open } from './played-socket.js'
import { testGateway } from './test-gateway.js'

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve))
}

function start() {
  const clock = new FakeClock()
  const socket = new FakeTransport('websocket')
  const states: SessionState[] = []
  const events: ConnectionEvent[] = []
  const world: { react: (event: ConnectionEvent) => void } = { react: () => undefined }
  const session: Session = new Session(
    {
      gateway: testGateway('http://gateway', { clock }),
      transports: [socket],
      probe: async () => 'works',
    },
    {
      event: (event) => {
        events.push(event)
        world.react(event)
      },
      state: (state) => states.push(state),
    },
  )
  return { clock, socket, states, events, world, session }
}

test('who closes as it hears of lost places stays closed', () => {
  const { session, socket, states, world, clock } = start()
  session.update(['a'])
  session.progress.resume('a', 'unreadable')
  world.react = (event) => event.type === 'gap' && session.close()
  socket.connection.lose({ code: 'bad_request', message: 'no', retryable: false })
  assert.equal(states.at(-1)?.type, 'closed')
  clock.advance(100_000)
  assert.equal(socket.connections.length, 1)
  assert.deepEqual(clock.delays, [])
})

test('what a successor alone brings of a new ephemeral channel is heard, or a gap is', () => {
  const { session, socket, events, clock } = start()
  session.update(['n.a'])
  const [old] = socket.connections
  old?.welcome()
  session.progress.resume('n.a', { epoch, offset: 1 })
  old?.say({ type: 'reconnect', afterMs: 10 })
  clock.advance(10)
  const successor = socket.connection
  session.update(['n.a', 'chat'])
  // The node that leaves is slow: the successor is the first that has it subscribed.
  successor.welcome()
  if (successor.request.channels.includes('chat') || successor.updates.flat().includes('chat')) {
    session.progress.beginEphemeral('chat')
    successor.say({ type: 'subscribed', channel: 'chat' })
    successor.say({
      type: 'publication',
      publication: { channel: 'chat', time: 1, data: 'lost?' },
    })
  }
  successor.say({ type: 'ready' })
  const heard = events.filter(({ type }) => type === 'publication' || type === 'gap')
  const isBegunLater = !events.some((each) => each.type === 'subscribed' && each.channel === 'chat')
  assert.ok(heard.length === 1 || isBegunLater, 'subscribed was told, then a publication vanished')
})

test('a reconnect slot that the successor is given is kept', () => {
  const { session, socket, clock } = start()
  session.update(['a'])
  socket.connection.welcome()
  socket.connection.say({ type: 'reconnect', afterMs: 10 })
  clock.advance(10)
  const successor = socket.connection
  successor.welcome()
  successor.say({ type: 'reconnect', afterMs: 1_000 })
  successor.say({ type: 'ready' })
  clock.advance(1_000)
  assert.equal(socket.connections.length, 3)
})

test('a loop that is left before its first publication pauses nothing', async () => {
  const transport = new FakeTransport('websocket')
  const clock = new FakeClock()
  const tidegate = new Tidegate('http://gateway', {
    token: () => 't',
    transports: [transport],
    pace: { clock, random: () => 0.5 },
  })
  const channel = tidegate.channel('a')
  await settle()
  transport.connection.welcome()
  const loop = channel.read({ bufferMax: 1, whenFull: 'pause' })
  await loop.return(undefined)
  for (const data of [1, 2]) {
    transport.connection.say({ type: 'publication', publication: { channel: 'a', time: 1, data } })
  }
  assert.deepEqual(transport.connection.updates, [])
  assert.equal(channel.isRead, true)
  tidegate.close()
})

test('a loop that is aborted while it pauses holds nobody up', async () => {
  const transport = new FakeTransport('websocket')
  const clock = new FakeClock()
  const tidegate = new Tidegate('http://gateway', {
    token: () => 't',
    transports: [transport],
    pace: { clock, random: () => 0.5 },
  })
  const channel = tidegate.channel('a')
  await settle()
  transport.connection.welcome()
  const end = new AbortController()
  const loop = channel.read({ bufferMax: 1, whenFull: 'pause', signal: end.signal })
  const publish = (data: number): void =>
    transport.connection.say({ type: 'publication', publication: { channel: 'a', time: 1, data } })
  const first = loop.next()
  publish(1)
  await first
  publish(2)
  assert.deepEqual(transport.connection.updates, [[]])
  // The application is still busy with the first.
  end.abort()
  await settle()
  assert.deepEqual(transport.connection.updates, [[], ['a']])
  tidegate.close()
})

test('a poll that pauses longer than an answer takes is not taken for silent', async () => {
  const clock = new FakeClock()
  let asked = 0
  const answer = (): Promise<Response> => {
    asked += 1
    const welcome = { connection: 'c', node: 'n', expiresAt: 1e12, heartbeatSeconds: 30 }
    const text = `event: welcome\nid: c${asked}\ndata: ${JSON.stringify(welcome)}\n\n`
    return Promise.resolve(new Response(text))
  }
  const heard = new HeardEvents()
  const gateway = testGateway('http://gateway', { clock, fetch: answer })
  const transport = new LongPollTransport({ waitSeconds: 0, intervalMs: 30_000 })
  const connection = transport.open({ gateway, channels: ['a'], progress: new Progress() }, (e) =>
    heard.take(e),
  )
  await settle()
  for (let i = 0; i < 3; i += 1) {
    clock.advance(15_000)
    await settle()
  }
  assert.deepEqual(heard.of('closed'), [])
  assert.equal(asked, 2)
  connection.close()
})

test('nothing of a probe is left after the close', async () => {
  const clock = new FakeClock()
  const socket = new FakeTransport('websocket')
  const signals: (AbortSignal | null | undefined)[] = []
  const tidegate = new Tidegate('http://gateway', {
    token: () => 't',
    transports: [socket, new FakeTransport('long-poll')],
    pace: { clock, random: () => 0.5 },
    fetch: (_input, init) => {
      signals.push(init?.signal)
      return new Promise(() => undefined)
    },
  })
  tidegate.channel('a')
  await settle()
  socket.connection.lose()
  await settle()
  assert.equal(signals.length, 1)
  tidegate.close()
  await settle()
  assert.equal(signals[0]?.aborted, true)
  assert.deepEqual(clock.delays, [])
})

test('who closes at the welcome, or while a token is asked for, leaves no timer', async () => {
  const clock = new FakeClock()
  const played = await open({ clock }, (event) => {
    if (event.type === 'welcome') played.connection.close()
  })
  played.welcome()
  assert.deepEqual(clock.delays, [])
})

test('with a clock that is ahead the token provider is not asked at every poll', async () => {
  const clock = new FakeClock()
  let tokens = 0
  let asked = 0
  const gateway = testGateway('http://gateway', {
    clock,
    token: () => `t${(tokens += 1)}`,
    fetch: () => {
      asked += 1
      const welcome = { connection: 'c', node: 'n', expiresAt: 500_000, heartbeatSeconds: 30 }
      const text = `event: welcome\nid: c${asked}\ndata: ${JSON.stringify(welcome)}\n\n`
      return Promise.resolve(new Response(text))
    },
  })
  const transport = new LongPollTransport({ waitSeconds: 0, intervalMs: 1_000 })
  const connection = transport.open(
    { gateway, channels: ['a'], progress: new Progress() },
    () => undefined,
  )
  for (let i = 0; i < 10; i += 1) {
    await settle()
    clock.advance(1_000)
  }
  await settle()
  connection.close()
  assert.ok(asked >= 10)
  assert.equal(tokens, 1)
})

class Silent extends SingleConnection {
  constructor(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void) {
    super(request, onEvent)
    this.watchSilence(60_000)
  }

  protected release(): void {}
}

test('silence is noticed though the clock was set back by an hour', () => {
  const clock = new FakeClock()
  let back = 0
  const turned = {
    now: () => clock.now() - back,
    after: (ms: number, run: () => void) => clock.after(ms, run),
  }
  const heard: string[] = []
  const gateway = testGateway('http://gateway', { clock: turned })
  new Silent({ gateway, channels: ['a'], progress: new Progress() }, ({ type }) => heard.push(type))
  back = 3_600_000
  clock.advance(130_000)
  assert.deepEqual(heard, ['closed'])
})
