/** What tells that waiting is of no use, or that a connection may be gone without a word. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Tidegate } from '../tidegate.js'
import { onWakeUp } from '../wake-up.js'
import { FakeClock } from './fake-clock.js'
import { FakeTransport } from './fake-transports.js'
import { setGlobal } from './set-global.js'

/** What a browser has: a window and a document that the test speaks for. */
function browser(t: TestContext) {
  const page = new EventTarget()
  const document = Object.assign(new EventTarget(), { hidden: false })
  setGlobal(t, 'addEventListener', page.addEventListener.bind(page))
  setGlobal(t, 'removeEventListener', page.removeEventListener.bind(page))
  setGlobal(t, 'document', document)
  return {
    online: () => page.dispatchEvent(new Event('online')),
    become: (visibility: 'visible' | 'hidden') => {
      document.hidden = visibility === 'hidden'
      document.dispatchEvent(new Event('visibilitychange'))
    },
  }
}

function start() {
  const clock = new FakeClock()
  const heard: boolean[] = []
  const life = new AbortController()
  onWakeUp(clock, life.signal, (isSuspect) => heard.push(isSuspect))
  return { clock, heard, stop: () => life.abort() }
}

test('a machine that has slept suspects its connection, one that is awake does not', () => {
  const { clock, heard, stop } = start()
  clock.advance(3_600_000)
  assert.deepEqual(heard, [])
  clock.sleep(3_600_000)
  assert.deepEqual(heard, [true])
  clock.advance(60_000)
  assert.deepEqual(heard, [true])
  stop()
  clock.sleep(3_600_000)
  assert.deepEqual(heard, [true])
  assert.deepEqual(clock.delays, [])
})

test('who ends it as it hears of a sleep leaves no timer', () => {
  const clock = new FakeClock()
  const life = new AbortController()
  onWakeUp(clock, life.signal, () => life.abort())
  clock.sleep(60_000)
  assert.deepEqual(clock.delays, [])
})

test('a clock that is set back tells of nothing', () => {
  const { clock, heard } = start()
  clock.sleep(-3_600_000)
  clock.advance(3_660_000)
  assert.deepEqual(heard, [])
})

test('a network that is back makes connections suspect, a page that is seen does not', (t) => {
  const { online, become } = browser(t)
  const { heard, stop, clock } = start()
  online()
  become('hidden')
  assert.deepEqual(heard, [true])
  become('visible')
  assert.deepEqual(heard, [true, false])
  stop()
  online()
  become('visible')
  assert.deepEqual(heard, [true, false])
  assert.deepEqual(clock.delays, [])
})

/** A client that is connected. */
async function connect() {
  const transport = new FakeTransport('websocket')
  const clock = new FakeClock()
  const tidegate = new Tidegate('http://gateway', {
    token: () => 't',
    transports: [transport],
    pace: { clock, random: () => 0.5 },
  })
  tidegate.channel('a')
  await new Promise((resolve) => setImmediate(resolve))
  transport.connection.welcome()
  return { tidegate, transport, clock }
}

test('a client checks its connection after a sleep and a change of network', async (t) => {
  const { online, become } = browser(t)
  const { transport, clock, tidegate } = await connect()
  clock.sleep(60_000)
  assert.equal(transport.connection.checks, 1)
  online()
  assert.equal(transport.connection.checks, 2)
  become('visible')
  assert.equal(transport.connection.checks, 2)
  tidegate.close()
  online()
  clock.sleep(60_000)
  assert.equal(transport.connection.checks, 2)
})

test('a client that waits comes back soon when somebody looks', async (t) => {
  const { become } = browser(t)
  const { transport, clock } = await connect()
  for (let failure = 0; failure < 6; failure += 1) {
    transport.connection.lose()
    clock.advance(Math.max(...clock.delays))
  }
  const before = transport.connections.length
  transport.connection.lose()
  clock.advance(1_000)
  assert.equal(transport.connections.length, before)
  become('visible')
  clock.advance(500)
  assert.equal(transport.connections.length, before + 1)
})
