/** What a hub says while its broker comes and goes: nothing is confirmed that is not so. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startNats } from './nats-server.js'
import { natsBroker, plainPublisher } from './opened-broker.js'
import { openHub, Recorder, subscribe } from './opened-hub.js'
import { ScriptedBroker } from './scripted-broker.js'
import { until } from './until.js'

test('a confirmation that failed while unconnected is made anew when connected', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker)
  const recorder = new Recorder()
  const subscription = subscribe(hub, 'a', recorder)
  const early = hub.confirmed(subscription)
  broker.confirmAll(false)
  assert.equal(await early, false)
  broker.connect()
  // It stayed though it was told that it hears nothing: now it learns from where it does.
  assert.deepEqual(recorder.heard, ['gap broker_disconnected'])
  const later = hub.confirmed(subscription)
  assert.equal(broker.confirmAll(true), 1)
  assert.equal(await later, true)
  assert.equal(hub.confirmed(subscription), true)
  assert.equal(hub.confirmed(subscribe(hub, 'a', new Recorder())), true)
})

test('what was confirmed before an outage is not confirmed during it or after it', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker)
  broker.connect()
  const subscription = subscribe(hub, 'a', new Recorder())
  const first = hub.confirmed(subscription)
  broker.confirmAll(true)
  assert.equal(await first, true)
  broker.disconnect()
  const during = hub.confirmed(subscribe(hub, 'a', new Recorder()))
  broker.confirmAll(false)
  assert.equal(await during, false)
  broker.connect()
  const after = hub.confirmed(subscription)
  assert.equal(broker.confirmAll(true), 1)
  assert.equal(await after, true)
})

test('a confirmation that arrives a connection too late does not count for the next', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker)
  broker.connect()
  const subscription = subscribe(hub, 'a', new Recorder())
  const late = hub.confirmed(subscription)
  broker.disconnect()
  broker.connect()
  broker.confirmAll(true)
  assert.equal(await late, true)
  assert.notEqual(hub.confirmed(subscription), true)
})

test('every live subscription hears of a gap when the broker is back (PROTOCOL 5.6)', async (t) => {
  const broker = new ScriptedBroker()
  const { hub, events } = await openHub(t, broker)
  broker.connect()
  const recorders = [new Recorder(), new Recorder(), new Recorder()]
  for (const [at, name] of ['a', 'a', 'b.*'].entries()) {
    subscribe(hub, name, recorders[at] as Recorder)
  }
  broker.receive('rt.pub.a', '1')
  broker.disconnect()
  assert.equal(hub.isConnected, false)
  broker.connect()
  broker.receive('rt.pub.a', '2')
  assert.deepEqual(
    recorders.map(({ heard }) => heard.join()),
    ['1,gap broker_disconnected,2', '1,gap broker_disconnected,2', 'gap broker_disconnected'],
  )
  assert.deepEqual(
    events.map((event) => event.type),
    ['connected', 'disconnected', 'connected'],
  )
})

test('a cursor from before an outage is not continued after it (PROTOCOL 7.6)', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker)
  broker.connect()
  const subscription = subscribe(hub, 'a', new Recorder())
  hub.keepRecent(subscription)
  broker.receive('rt.pub.a', '1')
  const before = hub.arrival
  broker.disconnect()
  const during = hub.arrival
  broker.connect()
  broker.receive('rt.pub.a', '2')
  for (const [cursor, gap] of [
    [before, 'broker_disconnected'],
    [during, 'broker_disconnected'],
    [hub.arrival - 1, undefined],
  ] as const) {
    const recent = hub.recent(subscription, cursor)
    assert.deepEqual([recent.publications.length, recent.gap], [1, gap])
  }
})

test('over NATS: killed and restarted, the subscribers hear a gap, then go on', async (t) => {
  const server = await startNats(t)
  const broker = await natsBroker(t, { url: server.url })
  const { hub } = await openHub(t, broker)
  await until(() => hub.isConnected)
  const recorder = new Recorder()
  const subscription = subscribe(hub, 'a', recorder)
  assert.equal(await hub.confirmed(subscription), true)
  plainPublisher(await server.connect())('rt.pub.a', new TextEncoder().encode('1'))
  await until(() => recorder.heard.length === 1)
  await server.kill()
  await until(() => !hub.isConnected)
  assert.equal(await hub.confirmed(subscription), false)
  await server.restart()
  await until(() => hub.isConnected)
  // Whatever is published after the gap arrives: no message falls between the two.
  assert.deepEqual(recorder.heard, ['1', 'gap broker_disconnected'])
  plainPublisher(await server.connect())('rt.pub.a', new TextEncoder().encode('2'))
  await until(() => recorder.heard.length === 3)
  assert.equal(await hub.confirmed(subscription), true)
  assert.deepEqual(recorder.heard, ['1', 'gap broker_disconnected', '2'])
})
