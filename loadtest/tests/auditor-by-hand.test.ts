/** The auditor on short records written by hand: new histories, patterns, the newest, ends. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAudit } from '../audit-summary.js'
import { audit, type AuditOptions } from '../auditor.js'
import { PublicationLog } from '../publication-log.js'
import type { HeardEvent } from '../subscriber-record.js'

interface ByHand {
  readonly log: PublicationLog
  readonly events: HeardEvent[]
  /** Publishes, unless the number is given, and lets the subscriber hear it. */
  readonly hear: (offset: number, previous?: number, number?: number, isEnd?: boolean) => void
}

/** A subscriber to one channel that is new. */
function byHand(): ByHand {
  const log = new PublicationLog()
  const name = 'orders.1'
  log.beginHistory('orders', 'aaaaaaaaaaaa')
  const events: HeardEvent[] = [{ type: 'subscribed', name, epoch: 'aaaaaaaaaaaa', offset: 0 }]
  const hear: ByHand['hear'] = (
    offset,
    previous = offset - 1,
    given = undefined,
    isEnd = false,
  ) => {
    const number = given ?? log.send(name, isEnd)
    if (given === undefined) log.acknowledge(name, number, offset)
    events.push({ type: 'publication', name, channel: name, offset, previous, number })
  }
  return { log, events, hear }
}

function typesOf(
  log: PublicationLog,
  events: readonly HeardEvent[],
  options: AuditOptions = {},
): readonly string[] {
  const verdicts = audit(log, [{ subscriber: 'one', events }], options)
  return verdicts.flatMap(({ faults }) => faults.map(({ type }) => type))
}

test('what a history that was made anew took with it is covered by its gap', () => {
  const { log, events, hear } = byHand()
  for (const offset of [1, 2, 3]) hear(offset)
  for (const offset of [4, 5]) log.acknowledge('orders.1', log.send('orders.1'), offset)
  log.beginHistory('orders', 'bbbbbbbbbbbb')
  const gap = { name: 'orders.1', reason: 'new_epoch', epoch: 'bbbbbbbbbbbb', offset: 1 }
  log.acknowledge('orders.1', log.send('orders.1'), 1)
  const types = (after: number): readonly string[] =>
    typesOf(log, [...events, { type: 'gap', ...gap, after }])
  assert.deepEqual(typesOf(log, events), ['lost', 'lost', 'lost'])
  assert.deepEqual(types(3), [])
  assert.deepEqual(types(4), ['lost'])
  assert.deepEqual(types(2)[0], 'gap_bounds')
})

test('who is cut off after it heard of a new epoch may hear of it again', () => {
  const { log, events, hear } = byHand()
  hear(1)
  log.beginHistory('orders', 'bbbbbbbbbbbb')
  const now = { epoch: 'bbbbbbbbbbbb', offset: 0 }
  const shown = { epoch: 'aaaaaaaaaaaa', offset: 1 }
  const name = 'orders.1'
  for (let time = 0; time < 2; time += 1) {
    events.push({ type: 'subscribed', name, ...now, shown, recovered: false })
    events.push({ type: 'gap', name, reason: 'new_epoch', after: 1, ...now })
    events.push({ type: 'disconnected' })
  }
  assert.deepEqual(typesOf(log, events), [])
})

test('what a history kept when it was set back may come again behind its gap, and once', () => {
  const { log, events, hear } = byHand()
  for (const offset of [1, 2, 3]) hear(offset)
  log.rewindHistory('orders', 2)
  const [, one, two] = events as [HeardEvent, HeardEvent, HeardEvent]
  const at = { name: 'orders.1', epoch: 'aaaaaaaaaaaa', offset: 0 }
  const gap: HeardEvent = { type: 'gap', ...at, reason: 'new_epoch', after: 3 }
  const again = events.splice(0)
  const types = (...more: readonly HeardEvent[]): readonly string[] => typesOf(log, more)
  assert.deepEqual(types(...again, gap, one, two), [])
  assert.deepEqual(types(...again, one), ['duplicate'])
  assert.deepEqual(types(...again, gap, one, two, two), ['duplicate'])
  assert.deepEqual(types(...again, gap, two, one), ['reordered'])
})

test('within the bounds of a gap the other channels of a pattern still come, in order', () => {
  const log = new PublicationLog()
  log.beginHistory('orders', 'aaaaaaaaaaaa')
  const events = (name: string, ...offsets: readonly number[]): HeardEvent[] => [
    { type: 'subscribed', name, epoch: 'aaaaaaaaaaaa', offset: 0 },
    { type: 'gap', name, reason: 'expired', after: 1, before: 5 },
    ...offsets.map((offset): HeardEvent => {
      const [channel, number] = offset === 5 ? ['orders.1', 2] : ['orders.2', offset - 1]
      return { type: 'publication', name, channel, offset, previous: 0, number }
    }),
  ]
  log.acknowledge('orders.1', log.send('orders.1'), 1)
  for (const offset of [2, 3, 4]) log.acknowledge('orders.2', log.send('orders.2'), offset)
  log.acknowledge('orders.1', log.send('orders.1'), 5)
  assert.deepEqual(typesOf(log, events('orders.*', 5, 2, 3, 4)), ['lost'])
  assert.deepEqual(typesOf(log, events('orders.*', 5, 3, 2, 4)), ['reordered', 'lost'])
  assert.deepEqual(typesOf(log, events('orders.2', 2, 3)).at(-1), 'gap_bounds')
})

test('a pattern hears what is beyond its position again, once, after a recovery only', () => {
  const { log, hear } = byHand()
  for (const offset of [1, 2, 3]) hear(offset)
  const name = 'orders.*'
  const at = { epoch: 'aaaaaaaaaaaa', offset: 0 }
  const heard = (number: number): HeardEvent => {
    const place = { offset: number, previous: number - 1, number }
    return { type: 'publication', name, channel: 'orders.1', ...place }
  }
  const shown = { ...at, offset: 1 }
  const events: HeardEvent[] = [
    { type: 'subscribed', name, ...at },
    ...[1, 2, 3].map(heard),
    { type: 'subscribed', name, ...at, offset: 3, shown, recovered: true },
  ]
  const types = (...more: readonly HeardEvent[]): readonly string[] =>
    typesOf(log, [...events, ...more])
  assert.deepEqual(types(), [])
  assert.deepEqual(types(heard(2), heard(3)), [])
  assert.deepEqual(types(heard(1)), ['duplicate'])
  assert.deepEqual(types(heard(2), heard(3), heard(3)), ['duplicate'])
  assert.deepEqual(types(heard(3), heard(2)), ['reordered'])
  const strict = { repeatsOfPatterns: false }
  assert.deepEqual(typesOf(log, [...events, heard(3)], strict), ['duplicate'])
})

test('`recovered: false` may come with its gap behind the history, not behind what is live', () => {
  const { log, events, hear } = byHand()
  for (const offset of [1, 2, 3, 4, 5]) hear(offset)
  const [first, one, two, three, four, five] = events.splice(0) as [HeardEvent, ...HeardEvent[]]
  const at = { name: 'orders.1', epoch: 'aaaaaaaaaaaa' }
  const shown = { epoch: at.epoch, offset: 1 }
  const back: HeardEvent = { type: 'subscribed', ...at, offset: 4, shown, recovered: false }
  const gap: HeardEvent = { type: 'gap', name: 'orders.1', reason: 'expired', after: 2, before: 5 }
  const heard = (...parts: readonly (HeardEvent | undefined)[]): readonly string[] => {
    return typesOf(
      log,
      [first, one, back, two, ...parts].filter((each) => each !== undefined),
    )
  }
  assert.deepEqual(heard(gap, five), [])
  assert.deepEqual(heard(five, gap), ['gap_bounds', 'gap_bounds', 'lost', 'lost'])
  assert.deepEqual(heard(three, four, five), ['gap_bounds'])
  const again: HeardEvent = { ...back, shown: { ...shown, offset: 2 }, recovered: true }
  assert.deepEqual(heard({ type: 'disconnected' }, again, three, four, five), [])
})

test('who asks for the newest begins with the first of them', () => {
  const { log, events, hear } = byHand()
  events.pop()
  for (const offset of [2, 4, 6]) log.acknowledge('orders.1', log.send('orders.1'), offset)
  const start = { epoch: 'aaaaaaaaaaaa', offset: 7 }
  events.push({ type: 'subscribed', name: 'orders.1', ...start, last: 2 })
  hear(4, 2, 2)
  hear(6, 4, 3)
  hear(9, 6)
  assert.deepEqual(typesOf(log, events), [])
  events.splice(2, 1)
  assert.deepEqual(typesOf(log, events), ['lost'])
})

test('an end is said once it has come, and only then', () => {
  const { log, events, hear } = byHand()
  hear(1)
  const ended: HeardEvent = { type: 'ended', name: 'orders.1' }
  assert.deepEqual(typesOf(log, [...events, ended]), ['wrong_end'])
  hear(2, 1, undefined, true)
  assert.deepEqual(typesOf(log, events), ['wrong_end'])
  assert.deepEqual(typesOf(log, [...events, ended]), [])
  assert.deepEqual(typesOf(log, [...events.slice(0, -1), ended]), ['lost'])
  assert.deepEqual(typesOf(log, [...events.slice(0, -1), ended, ...events.slice(-1)]), [
    'wrong_end',
  ])
})

test('each fault has a sentence, and the summary says the first of them', () => {
  const { log, events, hear } = byHand()
  for (const offset of [1, 2, 3]) hear(offset)
  events.splice(2, 1)
  const text = formatAudit(audit(log, [{ subscriber: 'one', events }]))
  assert.match(text, /^one +3 +2 +0 +0 +0 +0 +0 +1$/m)
  assert.match(text, /^one, orders\.1: number 2 of orders\.1 \(offset 2\) was acknowledged, not/m)
})
