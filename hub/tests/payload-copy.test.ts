/** What is kept of a publication is its own bytes, and nothing of what the broker read it in. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMemoryBroker, openNatsBroker } from './opened-broker.js'
import { openHub, Recorder, subscribe } from './opened-hub.js'
import { ScriptedBroker } from './scripted-broker.js'
import { until } from './until.js'

for (const [name, open] of [
  ['NATS', openNatsBroker],
  ['memory', openMemoryBroker],
] as const) {
  test(`${name}: a ring that keeps 5 bytes holds no read buffer of 64 KB alive`, async (t) => {
    const { broker, publish } = await open(t, false)
    const { hub } = await openHub(t, broker)
    await until(() => hub.isConnected)
    const recorder = new Recorder()
    const subscription = subscribe(hub, 'a', recorder)
    await hub.confirmed(subscription)
    hub.keepRecent(subscription)
    for (let count = 0; count < 20; count += 1) publish('rt.pub.a', Buffer.from('hello'))
    await until(() => recorder.heard.length === 20)
    const kept = hub.recent(subscription, hub.arrival - 20).publications
    assert.equal(kept.length, 20)
    for (const { payload } of kept) assert.equal(payload.buffer.byteLength, payload.length)
  })
}

test('what nobody hears and no ring keeps is counted, and no more', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker)
  const before = hub.arrival
  hub.unsubscribe(subscribe(hub, 'a', new Recorder()))
  broker.receive('rt.pub.a', '1')
  assert.deepEqual([hub.counters.publicationsReceived, hub.arrival], [1, before])
  const back = new Recorder()
  subscribe(hub, 'a', back)
  broker.receive('rt.pub.a', '2')
  assert.deepEqual([back.heard, hub.arrival], [['2'], before + 1])
})

test('a ring without a reader goes on keeping (PROTOCOL 7.5)', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker)
  const gone = subscribe(hub, 'a', new Recorder())
  hub.keepRecent(gone)
  const cursor = hub.arrival
  hub.unsubscribe(gone)
  broker.receive('rt.pub.a', '1')
  const back = subscribe(hub, 'a', new Recorder())
  assert.deepEqual(
    [hub.recent(back, cursor).publications.length, hub.recent(back, cursor).gap],
    [1, undefined],
  )
})
