/** What a stream must be, how one differs, and what an update sends: without NATS. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  describeStream,
  serverTooOld,
  streamDifferences,
  streamName,
  updatedConfig,
  wantedStreams,
  type ExistingConfig,
  type StreamConfig,
} from '../jetstream-stream.js'
import { defaultHistory, type Namespace } from '../namespaces.js'

const second = 1_000_000_000

function wanted(namespace: string, subjectPrefix: string = 'rt'): StreamConfig {
  const one = { history: defaultHistory, patterns: false }
  const namespaces = new Map<string, Namespace>([
    [namespace, one],
    ['chat', { history: undefined, patterns: false }],
  ])
  const streams = wantedStreams({ namespaces, subjectPrefix, publicationBytesMax: 65_536 })
  assert.deepEqual([...streams.keys()], [namespace])
  return streams.get(namespace) as StreamConfig
}

const orders = wanted('orders')

/** As nats-server 2.15 tells it. */
const existing: ExistingConfig = {
  ...orders,
  compression: 'none',
  mirror_direct: false,
  sealed: false,
  deny_delete: false,
  consumer_limits: {},
  metadata: { ...orders.metadata, '_nats.ver': '2.15.2', owner: 'us' },
}

test('a namespace has one stream with its subjects, `default` with the single tokens too', () => {
  assert.equal(orders.name, 'rt_orders')
  assert.deepEqual(orders.subjects, ['rt.pub.orders.>'])
  assert.deepEqual(wanted('default').subjects, ['rt.pub.*', 'rt.pub.default.>'])
  assert.equal(wanted('orders', 'acme.rt-1').name, 'acme_rt-1_orders')
  assert.equal(streamName('rt', 'a:@b'), 'rt_a:@b')
  assert.deepEqual(wanted('orders', 'acme.rt').republish, {
    src: 'acme.rt.pub.>',
    dest: 'acme.rt.live.>',
  })
})

test('limits are as configured, and leave room for headers', () => {
  assert.equal(orders.max_msgs_per_subject, 100)
  assert.equal(orders.max_age, 3_600 * second)
  assert.equal(orders.max_bytes, 1_073_741_824)
  assert.equal(orders.max_msg_size, 65_536 + 8_192)
  assert.equal(orders.duplicate_window, 120 * second)
  const history = { ...defaultHistory, maxAgeSeconds: 5 }
  const namespaces = new Map([['brief', { history, patterns: false }]])
  const layout = { namespaces, subjectPrefix: 'rt', publicationBytesMax: 1 }
  // NATS refuses a window longer than the age.
  assert.equal(wantedStreams(layout).get('brief')?.duplicate_window, 5 * second)
})

test('a stream as it was made differs in nothing', () => {
  assert.deepEqual(streamDifferences(orders, existing), [])
  assert.deepEqual(streamDifferences(orders, { ...existing, subjects: ['rt.pub.orders.>'] }), [])
})

const differing: readonly [field: string, value: unknown, line: string, kind: string][] = [
  ['max_age', 60 * second, 'max_age: 60 s → 3600 s', 'unfit'],
  ['max_age', 0, 'max_age: 0 s → 3600 s', 'harmless'],
  ['max_age', 7_200 * second, 'max_age: 7200 s → 3600 s', 'harmless'],
  ['max_msgs_per_subject', 10, 'max_msgs_per_subject: 10 → 100', 'unfit'],
  ['max_msgs_per_subject', -1, 'max_msgs_per_subject: -1 → 100', 'harmless'],
  ['max_msgs', 5, 'max_msgs: 5 → -1', 'unfit'],
  ['max_bytes', -1, 'max_bytes: -1 → 1073741824', 'harmless'],
  ['max_msg_size', 100, 'max_msg_size: 100 → 73728', 'unfit'],
  ['subjects', ['a', 'b'], 'subjects: a, b → rt.pub.orders.>', 'unfit'],
  ['subjects', undefined, 'subjects: none → rt.pub.orders.>', 'unfit'],
  ['republish', undefined, 'republish: none → rt.pub.> to rt.live.>', 'unfit'],
  ['republish', { src: 'a', dest: 'b' }, 'republish: a to b → rt.pub.> to rt.live.>', 'unfit'],
  [
    'republish',
    { ...orders.republish, headers_only: true },
    'republish.headers_only: true → none',
    'unfit',
  ],
  ['allow_direct', false, 'allow_direct: false → true', 'unfit'],
  ['discard', 'new', 'discard: new → old', 'unfit'],
  ['num_replicas', 3, 'num_replicas: 3 → 1', 'harmless'],
  ['duplicate_window', second, 'duplicate_window: 1 s → 120 s', 'unfit'],
  ['duplicate_window', 200 * second, 'duplicate_window: 200 s → 120 s', 'harmless'],
  ['metadata', {}, 'metadata: tidegate.schema none → tidegate.schema 1', 'harmless'],
  ['no_ack', true, 'no_ack: true → none', 'unfit'],
  ['subject_transform', { src: 'a' }, 'subject_transform: {"src":"a"} → none', 'unfit'],
  ['storage', 'memory', 'storage: memory → file', 'fixed'],
  ['retention', 'workqueue', 'retention: workqueue → limits', 'unfit fixed'],
  ['max_consumers', 1, 'max_consumers: 1 → -1', 'unfit fixed'],
  ['mirror', { name: 'x' }, 'mirror: {"name":"x"} → none', 'unfit fixed'],
  ['sealed', true, 'sealed: true → none', 'unfit fixed'],
]

for (const [field, value, line, kind] of differing) {
  test(`a stream with ${line} is told so: ${kind}`, () => {
    const [difference, ...others] = streamDifferences(orders, { ...existing, [field]: value })
    assert.deepEqual(others, [])
    assert.equal(difference?.line, line)
    assert.equal(difference.isUnfit, kind.includes('unfit'))
    assert.equal(difference.mend !== undefined, kind.includes('fixed'))
  })
}

test('an update keeps what Tidegate has no opinion about', () => {
  const before = { ...existing, max_age: second, description: 'ours', subject_transform: {} }
  const updated = updatedConfig(orders, before)
  assert.deepEqual(streamDifferences(orders, updated), [])
  assert.equal(updated['description'], 'ours')
  assert.deepEqual(updated['metadata'], { owner: 'us', 'tidegate.schema': '1' })
})

test('a server older than 2.11 is refused with a sentence', () => {
  for (const version of ['2.11.0', '2.15.2', '2.12.0-preview.1', '3.0.0', '10.1.0']) {
    assert.equal(serverTooOld(version), undefined, version)
  }
  for (const version of ['2.9.10', '2.10.29', '1.4.1', '0', '']) {
    assert.match(serverTooOld(version) ?? '', /need 2\.11 or newer/, version)
  }
})

test('a stream to be made is described line by line', () => {
  assert.deepEqual(describeStream(orders), [
    'subjects: rt.pub.orders.>',
    'republish: rt.pub.> to rt.live.>',
    'retention: limits',
    'storage: file',
    'num_replicas: 1',
    'max_msgs_per_subject: 100',
    'max_age: 3600 s',
    'max_bytes: 1073741824',
    'max_msg_size: 73728',
    'discard: old',
    'allow_direct: true',
    'duplicate_window: 120 s',
    'metadata: tidegate.schema 1',
  ])
})
