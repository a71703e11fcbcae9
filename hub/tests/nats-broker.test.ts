/** The NATS broker keeps the contract, and lives through everything a nats-server may do. */
import assert from 'node:assert/strict'
import { createServer, type AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import type { Broker, BrokerEvent } from '../broker.js'
import { brokerContract } from './broker-contract.js'
import { startNats, type NatsServer } from './nats-server.js'
import { listening, natsBroker, openNatsBroker, plainPublisher, started } from './opened-broker.js'
import { until } from './until.js'

brokerContract('NATS', openNatsBroker)

const noBytes = new Uint8Array()
/** A broker that waits for ever must fail its test, not hold it. */
const bounded = { timeout: 30_000 }
const unavailable = { ok: false, code: 'broker_unavailable' }

interface Received {
  count: number
}

function counting(broker: Broker, subject: string): Received {
  const received = { count: 0 }
  broker.subscribe(subject, () => void (received.count += 1))
  return received
}

function typesOf(events: readonly BrokerEvent[]): readonly string[] {
  return events.map((event) => event.type)
}

/** A server that frees its port at once: it stands for a NATS that is not there yet. */
async function stoppedNats(t: TestContext, config?: string): Promise<NatsServer> {
  const server = await startNats(t, config === undefined ? {} : { config })
  await server.kill()
  return server
}

test('NATS away at start is said once, and found when it comes up', async (t) => {
  const server = await stoppedNats(t)
  const broker = await natsBroker(t, { url: server.url })
  const events = listening(broker)
  await broker.start()
  const received = counting(broker, 'early')
  await until(() => events.length > 0)
  assert.deepEqual(events, [
    {
      type: 'connect_failed',
      reason: `connection refused: connect ECONNREFUSED 127.0.0.1:${server.port}`,
    },
  ])
  assert.equal(broker.isConnected, false)
  assert.equal(await broker.subscribe('early', () => {}).confirm(), false)
  assert.deepEqual(await broker.publish('early', noBytes, {}), unavailable)

  await server.restart()
  await until(() => broker.isConnected)
  assert.deepEqual(typesOf(events), ['connect_failed', 'connected'])
  plainPublisher(await server.connect())('early', noBytes)
  await until(() => received.count === 1)
})

test('a server that turns everybody away is tried for ever, and reported once', async (t) => {
  let attempts = 0
  const server = createServer((socket) => {
    attempts += 1
    socket.destroy()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => void server.close())
  const { port } = server.address() as AddressInfo
  const broker = await natsBroker(t, { url: `127.0.0.1:${port}` })
  const events = listening(broker)
  await broker.start()
  await until(() => attempts > 12)
  assert.deepEqual(typesOf(events), ['connect_failed'])
})

test('NATS killed and restarted under live subscriptions: all of them live on', async (t) => {
  const server = await startNats(t)
  const broker = await natsBroker(t, { url: server.url })
  const events = await started(broker)
  const received = Array.from({ length: 2_500 }, (_, at) => counting(broker, `a.${at}`))
  await server.kill()
  await until(() => !broker.isConnected)
  assert.deepEqual(await broker.publish('a.1', noBytes, {}), unavailable)
  assert.equal(await broker.subscribe('b', () => {}).confirm(), false)
  const late = counting(broker, 'late')

  await server.restart()
  await until(() => broker.isConnected)
  const told = typesOf(events).filter((type) => type !== 'connect_failed')
  assert.deepEqual(told, ['connected', 'disconnected', 'connected'])
  const publish = plainPublisher(await server.connect())
  for (const at of received.keys()) publish(`a.${at}`, noBytes)
  publish('late', noBytes)
  await until(() => late.count === 1)
  assert.deepEqual(new Set(received.map(({ count }) => count)), new Set([1]))
})

test('what is published once it says connected arrives, on every subscription', async (t) => {
  const server = await startNats(t)
  const publish = plainPublisher(await server.connect())
  const broker = await natsBroker(t, { url: server.url })
  const received = Array.from({ length: 5_000 }, (_, at) => counting(broker, `a.${at}`))
  broker.onEvent((event) => {
    if (event.type !== 'connected') return
    for (const at of received.keys()) publish(`a.${4_999 - at}`, noBytes)
  })
  await broker.start()
  await until(() => received[0]?.count === 1)
  assert.deepEqual(new Set(received.map(({ count }) => count)), new Set([1]))
})

test('what waits for an answer when NATS dies is answered: unavailable', bounded, async (t) => {
  const server = await startNats(t)
  const broker = await natsBroker(t, { url: server.url })
  await started(broker)
  await server.freeze()
  const published = broker.publish('a', noBytes, {})
  const confirmed = broker.subscribe('a', () => {}).confirm()
  await server.kill()
  assert.deepEqual(await published, unavailable)
  assert.equal(await confirmed, false)
})

test('a frozen NATS is noticed by unanswered pings, whatever waits', bounded, async (t) => {
  const server = await startNats(t)
  const broker = await natsBroker(t, { url: server.url }, 100)
  const events = await started(broker)
  await server.freeze()
  const payload = new Uint8Array(64_000)
  const results = await Promise.all(
    Array.from({ length: 1_000 }, () => broker.publish('a', payload, {})),
  )
  assert.deepEqual(new Set(results.map((result) => result.ok)), new Set([false]))
  await until(() => !broker.isConnected)
  server.signal('SIGCONT')
  await until(() => broker.isConnected)
  assert.deepEqual(typesOf(events).slice(0, 2), ['connected', 'disconnected'])
  assert.deepEqual(await broker.publish('a', payload, {}), { ok: true })
})

test('more than 16 MB that NATS has not answered is refused at once', async (t) => {
  const server = await startNats(t)
  const broker = await natsBroker(t, { url: server.url })
  await started(broker)
  await server.freeze()
  const payload = new Uint8Array(1_000_000)
  const waiting = Array.from({ length: 16 }, () => broker.publish('a', payload, {}))
  assert.deepEqual(await broker.publish('a', payload, {}), unavailable)
  server.signal('SIGCONT')
  assert.deepEqual(new Set((await Promise.all(waiting)).map(({ ok }) => ok)), new Set([true]))
  assert.deepEqual(await broker.publish('a', payload, {}), { ok: true })
})

test('a lame duck is left for another server, with the subscriptions', async (t) => {
  const servers = [await startNats(t), await startNats(t)]
  const broker = await natsBroker(t, { url: servers.map(({ url }) => url).join(',') })
  const events = await started(broker)
  const received = counting(broker, 'a')
  const here = (event: BrokerEvent | undefined): NatsServer | undefined =>
    servers.find(
      ({ url }) => event !== undefined && 'server' in event && url.endsWith(event.server),
    )
  const first = here(events[0])
  first?.signal('SIGUSR2')
  await until(() => events.length === 3)
  assert.deepEqual(typesOf(events), ['connected', 'disconnected', 'connected'])
  const second = here(events[2])
  assert.ok(second !== undefined && second !== first)
  plainPublisher(await second.connect())('a', noBytes)
  await until(() => received.count === 1)
})

test('a lame duck that is the only server is kept until it goes', async (t) => {
  const server = await startNats(t)
  const broker = await natsBroker(t, { url: server.url })
  const events = await started(broker)
  const received = counting(broker, 'a')
  const service = await server.connect()
  server.signal('SIGUSR2')
  // Its patience of at most 10 s is a twelfth of that here; then it knocks in vain.
  const end = Date.now() + 1_500
  await until(() => Date.now() > end)
  plainPublisher(service)('a', noBytes)
  await until(() => received.count === 1)
  assert.deepEqual(typesOf(events), ['connected'])
})

test('NATS permissions: what is forbidden is neither confirmed nor acknowledged', async (t) => {
  const allowed = `["ok.>"]`
  const permissions = `{publish: ${allowed}, subscribe: ${allowed}}`
  const user = `{user: u, password: p, permissions: ${permissions}}`
  const server = await startNats(t, { config: `authorization { users: [${user}] }` })
  const broker = await natsBroker(t, { url: server.url, user: 'u', password: 'p' })
  const events = await started(broker)
  const [no, yes] = [broker.subscribe('no', () => {}), broker.subscribe('ok.1', () => {})]
  assert.deepEqual(await Promise.all([no.confirm(), yes.confirm()]), [false, true])
  assert.equal(await no.confirm(), false)
  const results = ['no', 'ok.1', 'no', 'ok.2'].map((name) => broker.publish(name, noBytes, {}))
  assert.deepEqual(
    (await Promise.all(results)).map(({ ok }) => ok),
    [false, true, false, true],
  )
  assert.deepEqual(await broker.publish('ok.1', noBytes, {}), { ok: true })
  assert.deepEqual(events.slice(1), [
    { type: 'error', reason: 'Permissions Violation for Subscription to "no"' },
    { type: 'error', reason: 'Permissions Violation for Publish to "no"' },
  ])
  assert.equal(broker.isConnected, true)
})

test('a reason that changes while NATS is away is reported as well', async (t) => {
  const server = await stoppedNats(t, 'authorization { user: u, password: p }')
  const broker = await natsBroker(t, { url: server.url })
  const events = listening(broker)
  await broker.start()
  await until(() => events.length === 1)
  await server.restart()
  await until(() => events.length === 2)
  assert.deepEqual(typesOf(events), ['connect_failed', 'error'])
  assert.deepEqual(events[1], {
    type: 'error',
    reason: 'connect failed: Authorization Violation',
  })
})
