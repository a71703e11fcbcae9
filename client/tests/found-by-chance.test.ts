/** What chance has found in the SDK, each schedule as small as it gets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Progress } from '../progress.js'
import { calm } from './model-chance.js'
import { run, type Action, type Schedule } from './model-schedule.js'

const all = ['websocket', 'event-stream', 'long-poll'] as const
const quiet: Schedule = {
  ...{ seed: 1, odds: calm, ways: all, last: undefined, claims: [], tokenMs: 15_000, actions: [] },
}

function take(name: string, kind: 'listener' | 'pause' = 'listener'): Action {
  return { do: 'take', name, kind }
}

function publish(channel: string, count = 1): Action {
  return { do: 'publish', channel, count, hole: 0 }
}

function pass(ms: number): Action {
  return { do: 'pass', ms }
}

const anew: Action = { do: 'anew', namespace: 'orders' }

const found: Readonly<Record<string, Partial<Schedule>>> = {
  'a loop that pauses amid the answer of a poll gets the rest of it, once': {
    ways: ['short-poll'],
    odds: { ...calm, late: 0.3 },
    last: 2,
    actions: [
      ...[take('orders.a', 'pause'), publish('orders.a', 2), pass(3_000), publish('orders.a', 3)],
    ],
  },
  'a channel of the token that nobody holds keeps no poll from going on': {
    ways: ['short-poll'],
    claims: ['orders.a'],
    actions: [
      ...[take('chat.*'), pass(10_000), publish('orders.a'), pass(1_000), publish('orders.a')],
      take('orders.a'),
    ],
  },
  'a successor that is welcome before the old connection is lost is connected': {
    seed: 939_519_286,
    odds: { ...calm, late: 0.075 },
    actions: [
      ...[take('orders.a'), pass(300), { do: 'drain' as const, node: 0 }, pass(1_000)],
      { do: 'kill', node: 0 },
    ],
  },
  'who takes a channel that has lost its place is told when it begins, and not before': {
    ways: ['event-stream', 'long-poll'],
    actions: [
      ...[take('orders.b'), pass(300), { do: 'upgrade' as const }, publish('orders.b')],
      ...[take('orders.a'), pass(300), take('orders.b'), publish('orders.b')],
    ],
  },
  'a channel has not begun on a stream that has no cursor yet': {
    seed: 1_824_601_198,
    odds: { ...calm, late: 0.075 },
    ways: ['event-stream', 'long-poll'],
    actions: [
      ...[take('orders.a'), { do: 'release' as const, which: 0 }, take('chat.a'), pass(10_000)],
      ...[pass(10_000), take('chat.b'), take('orders.a')],
      { do: 'block', way: 'event-stream', barrier: 'swallows' },
      ...[{ do: 'renew' as const, isInPeace: false }, publish('chat.a', 2)],
      ...[{ do: 'unblock' as const }, { do: 'release' as const, which: 5 }, pass(1_000)],
      ...[take('orders.a'), pass(3_000), take('docs.a'), anew, pass(1_000)],
      ...[{ do: 'release' as const, which: 0 }, publish('docs.a')],
    ],
  },
  'a channel of the token that is taken again goes on after the connection is lost': {
    claims: ['chat.a', 'docs.a'],
    actions: [
      ...[take('orders.a'), pass(3_000), take('docs.a'), take('orders.a'), publish('docs.a')],
      ...[
        { do: 'release' as const, which: 0 },
        { do: 'release' as const, which: 0 },
      ],
      ...[take('docs.a'), { do: 'kill' as const, node: 1 }, publish('docs.a')],
    ],
  },
  'an ephemeral channel that pauses has a gap, also after a takeover': {
    actions: [
      ...[{ do: 'kill' as const, node: 1 }, take('chat.a', 'pause'), pass(3_000)],
      ...[
        { do: 'restart' as const, node: 1 },
        { do: 'drain' as const, node: 0 },
      ],
      ...[publish('chat.a', 3), pass(3_000), publish('chat.a')],
    ],
  },
}

for (const [name, schedule] of Object.entries(found)) {
  test(name, async () => assert.deepEqual(await run({ ...quiet, ...schedule }), []))
}

test('a gap that is told late, by another connection, brings back nothing that came since', () => {
  const progress = new Progress()
  progress.resume('orders.a', { epoch: '000000000000', offset: 40 })
  const next = { channel: 'orders.a', offset: 45, previous: 40, time: 1_000 }
  assert.equal(progress.take(next), 'next')
  progress.gap({ channel: 'orders.a', after: 38, before: 40 })
  assert.equal(progress.take(next), 'duplicate')
})
