/** The metrics: fixed names, base units, a help text each, and the numbers of now. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test, type TestContext } from 'node:test'
import { DurableCounters } from '../../hub/durable-counters.js'
import type { RecoveryCounters } from '../../hub/recovery-counters.js'
import { Counters } from '../counters.js'
import { DelayHistogram } from '../delay-histogram.js'
import { createMetrics, type Metrics, type MetricSources } from '../metrics.js'
import { idleHistory } from './idle-history.js'

function sources(): MetricSources {
  return {
    counters: new Counters(),
    hub: {
      counters: {
        publicationsReceived: 7,
        deliveries: 0,
        publicationsTooLarge: 2,
        publicationsBadChannel: 0,
      },
      rings: { bytes: 4096, count: 3, evictions: 1 },
      isConnected: true,
      interestCount: 12,
      lingeringCount: 5,
      durable: idleHistory(),
    },
    outbox: { bytes: () => 512 },
    deliveryDelay: new DelayHistogram(),
    build: { version: '0.1.0', engine: 'test "engine"\n' },
    connectionsMax: 19_000,
    openFilesMax: 20_000,
  }
}

function open(t: TestContext, from: MetricSources): Metrics {
  const metrics = createMetrics(from)
  t.after(() => metrics.close())
  return metrics
}

/** By name and labels, as they stand in the text. */
async function read(metrics: Metrics): Promise<Map<string, number>> {
  const samples = new Map<string, number>()
  for (const line of (await metrics.read()).split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const parts = /^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{.*\})?) (\S+)$/.exec(line)
    assert.ok(parts, `no sample: ${line}`)
    assert.ok(!samples.has(parts[1] as string), `twice: ${line}`)
    samples.set(parts[1] as string, Number(parts[2]?.replace('+Inf', 'Infinity')))
  }
  return samples
}

test('the metrics that are fixed by name are there from the first scrape', async (t) => {
  const text = await open(t, sources()).read()
  for (const [name, type] of [
    ['tidegate_connections', 'gauge'],
    ['tidegate_handshakes_total', 'counter'],
    ['tidegate_deliveries_total', 'counter'],
    ['tidegate_publications_received_total', 'counter'],
    ['tidegate_subscriptions', 'gauge'],
    ['tidegate_channels', 'gauge'],
    ['tidegate_delivery_delay_seconds', 'histogram'],
    ['tidegate_event_loop_delay_seconds', 'gauge'],
    ['tidegate_gaps_total', 'counter'],
    ['tidegate_recoveries_total', 'counter'],
    ['tidegate_recovery_reads_total', 'counter'],
    ['tidegate_verified_offset', 'gauge'],
    ['tidegate_history_available', 'gauge'],
    ['tidegate_refusals_total', 'counter'],
  ]) {
    assert.match(text, new RegExp(`^# HELP ${name} \\S.*\\.$`, 'm'))
    assert.match(text, new RegExp(`^# TYPE ${name} ${type}$`, 'm'))
  }
})

test('every metric has a help text, and every counter a name that ends in _total', async (t) => {
  const text = await open(t, sources()).read()
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)]
  assert.ok(types.length > 25)
  for (const [, name = '', type] of types) {
    assert.match(text, new RegExp(`^# HELP ${name} [A-Z].{10,}$`, 'm'))
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    assert.match(name, /^(?:tidegate|process|nodejs)_/)
  }
})

test('a scrape reads the numbers of now, and a second one does not add them up', async (t) => {
  const from = sources()
  const metrics = open(t, from)
  from.counters.connections.websocket = 2
  from.counters.handshakesAccepted.sse = 3
  from.counters.handshakesRefused.sse = 1
  from.counters.deliveries.poll = 40
  from.counters.refuse('token_expired')
  from.counters.gaps['cursor_expired'] = 6
  from.counters.subscriptions = 9
  await metrics.read()
  from.counters.connections.websocket = 1
  from.counters.deliveries.poll += 2
  const samples = await read(metrics)
  assert.equal(samples.get('tidegate_connections{transport="websocket"}'), 1)
  assert.equal(samples.get('tidegate_connections{transport="poll"}'), 0)
  assert.equal(samples.get('tidegate_handshakes_total{transport="sse",result="accepted"}'), 3)
  assert.equal(samples.get('tidegate_handshakes_total{transport="sse",result="refused"}'), 1)
  assert.equal(samples.get('tidegate_deliveries_total{transport="poll"}'), 42)
  assert.equal(samples.get('tidegate_refusals_total{code="token_expired"}'), 1)
  assert.equal(samples.get('tidegate_gaps_total{reason="cursor_expired"}'), 6)
  assert.equal(samples.get('tidegate_subscriptions'), 9)
  assert.equal(samples.get('tidegate_outboxes_bytes'), 512)
  assert.equal(samples.get('tidegate_channels'), 12)
  assert.equal(samples.get('tidegate_lingering_channels'), 5)
  assert.equal(samples.get('tidegate_rings_bytes'), 4096)
  assert.equal(samples.get('tidegate_ring_evictions_total'), 1)
  assert.equal(samples.get('tidegate_publications_received_total'), 7)
  assert.equal(samples.get('tidegate_publications_dropped_total{reason="too_large"}'), 2)
  assert.equal(samples.get('tidegate_broker_connected'), 1)
  assert.equal(samples.get('process_max_fds'), 20_000)
})

test('durable namespaces have metrics by name, recoveries by result and source', async (t) => {
  const from = sources()
  const counters = { ...new DurableCounters(), received: 30, tooLarge: 1, duplicates: 4 }
  counters.recoveries.recovered.history = 6
  const planned: RecoveryCounters = {
    requests: 20,
    screened: 12,
    singleReads: 3,
    scans: 2,
    joined: 5,
    scannedPublications: 900,
    retries: 1,
    rounds: 4,
    unavailable: 7,
    overloaded: 8,
  }
  const durable = idleHistory({
    counters,
    budget: { bytes: 2048 },
    all: [
      { name: 'orders', isAvailable: true, verified: 57 },
      { name: 'chat', isAvailable: false, verified: 0 },
    ],
    planners: new Map([['orders', { counters: planned }]]),
  })
  const samples = await read(open(t, { ...from, hub: { ...from.hub, durable } }))
  for (const [name, value] of Object.entries({
    tidegate_publications_received_total: 37,
    'tidegate_publications_dropped_total{reason="too_large"}': 3,
    tidegate_publications_duplicate_total: 4,
    'tidegate_recoveries_total{result="recovered",source="history"}': 6,
    'tidegate_recoveries_total{result="not_recovered",source="ring"}': 0,
    tidegate_recoveries_bytes: 2048,
    'tidegate_history_available{namespace="orders"}': 1,
    'tidegate_history_available{namespace="chat"}': 0,
    'tidegate_verified_offset{namespace="orders"}': 57,
    'tidegate_recovery_reads_total{namespace="orders",choice="screen"}': 12,
    'tidegate_recovery_reads_total{namespace="orders",choice="joined"}': 5,
    'tidegate_recovery_scanned_publications_total{namespace="orders"}': 900,
    'tidegate_recovery_failures_total{namespace="orders",reason="overloaded"}': 8,
  })) {
    assert.equal(samples.get(name), value, name)
  }
})

test('delays are counted in cumulative buckets of seconds', async (t) => {
  const from = sources()
  const metrics = open(t, from)
  from.deliveryDelay.observe(0.05)
  from.deliveryDelay.observe(1)
  from.deliveryDelay.observe(3, 10)
  from.deliveryDelay.observe(5_000)
  const samples = await read(metrics)
  const bucket = (le: string): number | undefined =>
    samples.get(`tidegate_delivery_delay_seconds_bucket{le="${le}"}`)
  assert.equal(bucket('0.0001'), 1)
  assert.equal(bucket('0.0005'), 1)
  assert.equal(bucket('0.001'), 2)
  assert.equal(bucket('0.0025'), 2)
  assert.equal(bucket('0.005'), 12)
  assert.equal(bucket('1'), 12)
  assert.equal(bucket('+Inf'), 13)
  assert.equal(samples.get('tidegate_delivery_delay_seconds_count'), 13)
  const sum = samples.get('tidegate_delivery_delay_seconds_sum') ?? 0
  assert.ok(Math.abs(sum - 5.03105) < 1e-9, String(sum))
})

test('a blocked event loop shows as the longest delay since the scrape before', async (t) => {
  const metrics = open(t, sources())
  const longest = 'tidegate_event_loop_delay_seconds{quantile="1"}'
  await new Promise((resolve) => setTimeout(resolve, 30))
  const until = performance.now() + 100
  while (performance.now() < until);
  await new Promise((resolve) => setTimeout(resolve, 30))
  const delay = (await read(metrics)).get(longest) ?? 0
  assert.ok(delay >= 0.08 && delay < 5, String(delay))
  assert.equal((await read(metrics)).get(longest), 0)
})

const hasPromtool = spawnSync('promtool', ['--version']).error === undefined

test('promtool finds nothing to complain of', { skip: !hasPromtool }, async (t) => {
  const input = await open(t, sources()).read()
  const { status, stderr } = spawnSync('promtool', ['check', 'metrics'], { input })
  assert.equal(status, 0, String(stderr))
})
