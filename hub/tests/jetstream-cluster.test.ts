/** Over a cluster: replicas lag and leaders die, and no answer says more than is true. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { HistoryLayout } from '../history-layout.js'
import type { HistoryEvent } from '../history.js'
import { JetStreamHistory } from '../jetstream-history.js'
import { createNatsBroker } from '../nats-broker.js'
import { defaultHistory, type Namespace } from '../namespaces.js'
import { startCluster, type NatsCluster } from './nats-cluster.js'
import { started } from './opened-broker.js'
import { listeningTo, provisioned } from './opened-history.js'
import { channel, linesOf, mib, readAll, scanned } from './read-history.js'
import { realClock } from './real-clock.js'
import { until, untilAnswered } from './until.js'

const bounded = { timeout: 120_000 }
const encoder = new TextEncoder()
const one = channel('orders.1')

const layout: HistoryLayout = {
  namespaces: new Map<string, Namespace>([
    ['orders', { history: { ...defaultHistory, maxBytes: 64 * mib, replicas: 3 }, patterns: true }],
  ]),
  subjectPrefix: 'rt',
  publicationBytesMax: 65_536,
}

interface Opened {
  readonly cluster: NatsCluster
  readonly history: JetStreamHistory
  readonly events: readonly HistoryEvent[]
}

/** `isAtLeader`: it stays with the server that leads the stream now. */
async function open(t: TestContext, isAtLeader: boolean = false): Promise<Opened> {
  const cluster = await startCluster(t)
  await provisioned(await cluster.connect(t), layout)
  const leader = await cluster.leaderOf('rt_orders')
  const options = { url: isAtLeader ? leader.server.url : cluster.urls.join(',') }
  const timeouts = { connectMs: 1_000, pingIntervalMs: 15_000 }
  const publisher = await createNatsBroker(options, realClock, Math.random, timeouts)
  const reader = await createNatsBroker(options, realClock, Math.random, timeouts)
  const history = new JetStreamHistory({
    ...{ publisher, reader, layout, clock: realClock, random: Math.random },
    timeouts: { requestMs: 1_000, publishMs: 2_000 },
  })
  t.after(() => history.close())
  t.after(() => publisher.close())
  await started(publisher)
  const events = listeningTo(history)
  await history.start()
  await until(() => events.some(({ type }) => type === 'available'))
  return { cluster, history, events }
}

/** Publishes until it is stored; the offset that the ack said. */
function publish({ history }: Opened, text: string): Promise<number> {
  const headers = { 'Nats-Msg-Id': text }
  return untilAnswered(async () => {
    const result = await history.publish(one, encoder.encode(text), headers)
    return result.ok && result.offset
  }, 60_000)
}

test(
  'no read after an ack claims to have looked where a replica was not yet',
  bounded,
  async (t) => {
    const opened = await open(t)
    const { history } = opened
    let stale = 0
    for (let number = 1; number <= 400; number += 1) {
      const offset = await publish(opened, `${number}`)
      const [screened, page] = await Promise.all([
        history.screen('orders', [one]),
        history.read('orders', one, offset, 10, mib),
      ])
      assert.ok(screened !== undefined && page !== undefined)
      const newest = screened.newest.get(one)?.offset ?? 0
      if (screened.asOf >= offset) assert.equal(newest, offset)
      else stale += 1
      const offsets = page.publications.map((publication) => publication.offset)
      if (page.asOf >= offset) assert.deepEqual(offsets, [offset])
      else stale += 1
      assert.equal((await history.state('orders'))?.last, offset)
    }
    t.diagnostic(`${stale} of 800 reads came from a replica that lagged, and said so`)
  },
)

test('a killed leader is an absence, never another or an emptier history', bounded, async (t) => {
  const opened = await open(t)
  const { cluster, history, events } = opened
  const acked: string[] = []
  for (let number = 1; number <= 20; number += 1) {
    acked.push(`${await publish(opened, `${number}`)} ${number}`)
  }
  const before = await history.state('orders')
  assert.ok(before !== undefined)
  const leader = await cluster.leaderOf('rt_orders')
  await leader.server.kill()
  let isBack = false
  const watched = (async () => {
    while (!isBack) {
      const state = await history.state('orders')
      assert.ok(state === undefined || (state.epoch === before.epoch && state.last >= 20))
      const screened = await history.screen('orders', [one])
      const isTrue = screened === undefined || screened.asOf < 20 || screened.newest.size === 1
      assert.ok(isTrue)
      const end = await history.scan('orders', 21, () => {}).ended
      assert.ok(end === undefined || end.asOf >= 20)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  acked.push(`${await publish(opened, '21')} 21`)
  isBack = true
  await watched
  await untilAnswered(() => history.state('orders'))
  const page = await untilAnswered(async () => {
    const whole = await readAll(history, 'orders.1')
    return whole.asOf >= 21 && whole
  })
  assert.deepEqual(linesOf(page.publications), acked)
  assert.deepEqual(linesOf((await scanned(history, 'orders')).publications), acked)
  assert.ok(events.some(({ type }) => type === 'changed' || type === 'unavailable'))
})

test('a leader that most replicas do not hear any more is not believed', bounded, async (t) => {
  const { cluster, history, events } = await open(t, true)
  const leader = await cluster.leaderOf('rt_orders')
  const others = cluster.nodes.filter((node) => node !== leader)
  t.after(() => others.forEach(({ server }) => server.signal('SIGCONT')))
  assert.ok(await history.state('orders'))
  for (const { server } of others) await server.freeze()
  await untilAnswered(async () => {
    await history.state('orders')
    return events.some(({ type }) => type === 'unavailable')
  })
  assert.deepEqual(events.at(-1), {
    type: 'unavailable',
    namespace: 'orders',
    reason: 'the stream has no leader that hears most of its replicas',
  })
  assert.equal(await history.state('orders'), undefined)
  for (const { server } of others) server.signal('SIGCONT')
  assert.ok(await untilAnswered(() => history.state('orders'), 30_000))
})
