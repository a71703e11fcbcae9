/** Interests begin, linger and end; publications reach each local subscriber once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isChannel } from '../../shared/channel.js'
import { openHub, Recorder, subscribe, trySubscribe } from './opened-hub.js'
import { ScriptedBroker } from './scripted-broker.js'

test('one broker subscription serves all local subscribers of a channel', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker)
  const recorders = [new Recorder(), new Recorder(), new Recorder()]
  for (const recorder of recorders) subscribe(hub, 'a', recorder)
  assert.deepEqual(broker.log, ['+rt.pub.a'])
  broker.receive('rt.pub.a', '1')
  broker.receive('rt.pub.a', '2')
  for (const { heard } of recorders) assert.deepEqual(heard, ['1', '2'])
  assert.equal(hub.counters.publicationsReceived, 2)
  assert.equal(hub.counters.deliveries, 6)
  assert.equal(recorders[0]?.publications[0], recorders[1]?.publications[0])
})

test('a subscriber that subscribes twice receives twice, and may end one of them', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker)
  const recorder = new Recorder()
  const [first, second] = [subscribe(hub, 'a', recorder), subscribe(hub, 'a', recorder)]
  broker.receive('rt.pub.a', '1')
  hub.unsubscribe(first)
  hub.unsubscribe(first)
  broker.receive('rt.pub.a', '2')
  hub.unsubscribe(second)
  broker.receive('rt.pub.a', '3')
  assert.deepEqual(recorder.heard, ['1', '1', '2'])
  assert.equal(hub.lingeringCount, 1)
})

test('an interest lingers after its last subscriber, then ends', async (t) => {
  const broker = new ScriptedBroker()
  const { hub, clock } = await openHub(t, broker)
  hub.unsubscribe(subscribe(hub, 'a', new Recorder()))
  clock.advance(29_000)
  assert.deepEqual([hub.interestCount, hub.lingeringCount], [1, 1])
  const back = subscribe(hub, 'a', new Recorder())
  assert.equal(hub.lingeringCount, 0)
  clock.advance(60_000)
  hub.unsubscribe(back)
  clock.advance(29_000)
  assert.deepEqual(broker.log, ['+rt.pub.a'])
  clock.advance(2_000)
  assert.deepEqual(broker.log, ['+rt.pub.a', '-rt.pub.a'])
  assert.deepEqual([hub.interestCount, hub.lingeringCount], [0, 0])
})

test('an interest that ended begins again with a broker subscription of its own', async (t) => {
  const broker = new ScriptedBroker()
  const { hub, clock } = await openHub(t, broker)
  broker.connect()
  const gone = subscribe(hub, 'a', new Recorder())
  const waiting = hub.confirmed(gone)
  hub.unsubscribe(gone)
  clock.advance(40_000)
  const recorder = new Recorder()
  const again = subscribe(hub, 'a', recorder)
  broker.confirmAll(true)
  assert.equal(await waiting, true)
  // The confirmation of the interest that ended says nothing about this one.
  const confirmed = hub.confirmed(again)
  assert.notEqual(confirmed, true)
  broker.confirmAll(true)
  assert.equal(await confirmed, true)
  broker.receive('rt.pub.a', '1')
  assert.deepEqual(recorder.heard, ['1'])
  assert.deepEqual(broker.log, ['+rt.pub.a', '-rt.pub.a', '+rt.pub.a'])
  hub.keepRecent(gone)
  assert.equal(hub.rings.count, 0)
})

test('more than lingeringMax lingering interests end the oldest', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker, { lingeringMax: 2 })
  const subscriptions = ['a', 'b', 'c', 'd'].map((name) => subscribe(hub, name, new Recorder()))
  for (const subscription of subscriptions) hub.unsubscribe(subscription)
  assert.deepEqual(broker.log.slice(4), ['-rt.pub.a', '-rt.pub.b'])
  assert.deepEqual([hub.interestCount, hub.lingeringCount], [2, 2])
})

test('a storm of leavers is ended over several sweeps', async (t) => {
  const broker = new ScriptedBroker()
  const { hub, clock } = await openHub(t, broker, { lingeringMax: 5_000, channelsMax: 5_000 })
  const names = Array.from({ length: 5_000 }, (_, at) => `a.${at}`)
  const subscriptions = names.map((name) => subscribe(hub, name, new Recorder()))
  for (const subscription of subscriptions) hub.unsubscribe(subscription)
  clock.advance(30_000)
  assert.equal(hub.interestCount, 3_000)
  clock.advance(2_000)
  assert.equal(hub.interestCount, 0)
})

test('channelsMax: a lingering interest makes room, without one there is none', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker, { channelsMax: 2 })
  const a = subscribe(hub, 'a', new Recorder())
  subscribe(hub, 'b', new Recorder())
  assert.equal(trySubscribe(hub, 'c', new Recorder()), undefined)
  subscribe(hub, 'b', new Recorder())
  hub.unsubscribe(a)
  subscribe(hub, 'c', new Recorder())
  assert.deepEqual(broker.log, ['+rt.pub.a', '+rt.pub.b', '-rt.pub.a', '+rt.pub.c'])
  assert.equal(hub.interestCount, 2)
})

test('leaving subscribers never make another miss a publication', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker)
  const recorders = Array.from({ length: 6 }, () => new Recorder())
  const subscriptions = recorders.map((recorder) => subscribe(hub, 'a', recorder))
  for (const [round, leaver] of [2, 5, 0, 4, 1].entries()) {
    hub.unsubscribe(subscriptions[leaver] as (typeof subscriptions)[number])
    broker.receive('rt.pub.a', `${round}`)
  }
  assert.deepEqual(
    recorders.map(({ heard }) => heard.length),
    [2, 4, 0, 5, 3, 1],
  )
})

test('a publication names its pattern, channel, sender, type, time (PROTOCOL 2.6)', async (t) => {
  const broker = new ScriptedBroker()
  const { hub, clock } = await openHub(t, broker)
  const recorder = new Recorder()
  subscribe(hub, 'a.*', recorder)
  subscribe(hub, 'a.b', recorder)
  const headers = { 'Tidegate-Sender': 'u1', 'Content-Type': 'text/plain' }
  broker.receive('rt.pub.a.*', 'x', headers, 'rt.pub.a.b')
  broker.receive('rt.pub.a.b', 'x', { 'Tidegate-Sender': 'u'.repeat(257) })
  const [through, own] = recorder.publications
  assert.ok(through !== undefined && own !== undefined)
  assert.deepEqual([through.channel, through.pattern], ['a.b', 'a.*'])
  assert.deepEqual([through.sender, through.contentType], ['u1', 'text/plain'])
  assert.equal(through.time, clock.now())
  assert.deepEqual([own.channel, own.pattern, own.sender], ['a.b', undefined, undefined])
  assert.ok(own.arrival > through.arrival)
})

test('a subject that is no channel does not come through a pattern (PROTOCOL 2.1)', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker)
  const recorder = new Recorder()
  subscribe(hub, 'a.>', recorder)
  for (const tail of ['ä', 'b c', `b.${'c'.repeat(160)}`, 'b.'.repeat(16) + 'b', '$x']) {
    broker.receive('rt.pub.a.>', 'x', {}, `rt.pub.a.${tail}`)
  }
  assert.deepEqual(recorder.heard, [])
  assert.equal(hub.counters.publicationsBadChannel, 5)
  assert.equal(hub.counters.publicationsReceived, 5)
})

test('a publication over the limit is replaced by a gap (PROTOCOL 5.6)', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker, { publicationBytesMax: 3 })
  const recorder = new Recorder()
  const subscription = subscribe(hub, 'a', recorder)
  hub.keepRecent(subscription)
  const before = hub.arrival
  broker.receive('rt.pub.a', '123')
  broker.receive('rt.pub.a', '1234')
  broker.receive('rt.pub.a', '5')
  assert.deepEqual(recorder.heard, ['123', 'gap too_large', '5'])
  assert.equal(hub.counters.publicationsTooLarge, 1)
  const { publications, gap } = hub.recent(subscription, before)
  assert.deepEqual([publications.length, gap], [1, 'too_large'])
})

test('a client publishes with its own sender, exactly or not at all (PROTOCOL 5.5)', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker)
  const channel = 'a'
  assert.ok(isChannel(channel))
  const publish = (sender: string | undefined, contentType?: string): Promise<{ ok: boolean }> =>
    hub.publish(channel, new Uint8Array(), { sender, contentType })
  for (const sender of [undefined, 'u1', 'ü ö', 'u'.repeat(256)]) {
    assert.deepEqual(await publish(sender, 'text/plain'), { ok: true })
  }
  const bad = { ok: false, code: 'bad_request' }
  for (const sender of ['', ' u', 'u\r\nTidegate-Sender: root', '\ud800', 'u'.repeat(257)]) {
    assert.deepEqual(await publish(sender), bad)
    assert.deepEqual(await publish('u1', sender), bad)
  }
  assert.deepEqual(broker.published.slice(0, 2), [
    ['rt.pub.a', { 'Content-Type': 'text/plain' }],
    ['rt.pub.a', { 'Content-Type': 'text/plain', 'Tidegate-Sender': 'u1' }],
  ])
  assert.equal(broker.published.length, 4)
})
