/** The recovery planner: who is given what, at what cost, and what it does when the history fails. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isPattern } from '../../shared/pattern.js'
import { recoveryLimits, type RecoveryLimits } from '../recovery-limits.js'
import { recoveryCosts } from '../recovery-plan.js'
import { RecoveryPlanner } from '../recovery-planner.js'
import type { LongScan } from '../recovery-scans.js'
import { FakeClock } from './fake-clock.js'
import { Asker } from './recovery-asker.js'
import { ScriptedHistory, turn } from './scripted-history.js'

class Bench {
  readonly clock: FakeClock = new FakeClock(0)
  readonly history: ScriptedHistory = new ScriptedHistory(this.clock)
  readonly longScans: LongScan[] = []
  readonly errors: string[] = []
  readonly planner: RecoveryPlanner

  constructor(limits: Partial<RecoveryLimits> = {}) {
    this.planner = new RecoveryPlanner({
      history: this.history,
      namespace: 'c',
      storage: 'file',
      clock: this.clock,
      limits: { ...recoveryLimits, ...limits },
      onLongScan: (scan) => this.longScans.push(scan),
      onError: (reason) => this.errors.push(reason),
    })
  }

  /** Each channel once a round, so that all of a round lies between two of one channel. */
  store(channels: number, rounds: number): void {
    for (let round = 0; round < rounds; round += 1) {
      for (let at = 0; at < channels; at += 1) this.history.store(`c.${at}`)
    }
  }

  ask(name: string, from: number, floor?: number): Asker {
    const asker = new Asker(name, from, floor)
    this.planner.request(asker)
    return asker
  }
}

test('who missed something gets it in order, and is told what the history is', async () => {
  const bench = new Bench()
  bench.store(10, 5)
  const asker = bench.ask('c.3', 14)
  await turn(bench.clock, 50)
  assert.deepEqual(asker.offsets, [14, 24, 34, 44])
  assert.ok(asker.outcome?.ok)
  assert.equal(asker.outcome.asOf, 50)
  assert.equal(asker.outcome.isWhole, true)
  assert.equal(asker.outcome.newest?.offset, 44)
  assert.deepEqual(asker.outcome.state, { epoch: '0123456789ab', first: 1, last: 50 })
})

test('who missed nothing is told so by a screen, and nothing is read', async () => {
  const bench = new Bench()
  bench.store(2_500, 2)
  const askers = Array.from({ length: 2_500 }, (_, at) => bench.ask(`c.${at}`, 2_502 + at))
  const unknown = bench.ask('c.unknown', 1)
  await turn(bench.clock, 200)
  assert.ok([...askers, unknown].every(({ result, offsets }) => result === 'whole' && !offsets[0]))
  assert.equal(bench.history.count('read') + bench.history.count('scan'), 0)
  assert.ok(bench.history.screensActiveMax <= recoveryLimits.parallelScreensMax)
  const screens = bench.history.asked.filter((asked) => asked.type === 'screen')
  assert.ok(screens.every(({ channels }) => channels.length <= 1_024))
})

test('who missed only the newest has it from the screen', async () => {
  const bench = new Bench()
  bench.store(100, 3)
  const newest = bench.ask('c.7', 208)
  const onlyNewest = bench.ask('c.8', Infinity)
  await turn(bench.clock, 50)
  assert.deepEqual(newest.offsets, [208])
  assert.deepEqual(onlyNewest.offsets, [])
  assert.ok(onlyNewest.outcome?.ok)
  assert.equal(onlyNewest.outcome.newest?.offset, 209)
  assert.equal(bench.history.count('read'), 0)
})

test('many clients of one channel are served by one read', async () => {
  const bench = new Bench()
  bench.store(1_000, 10)
  const askers = Array.from({ length: 500 }, (_, at) => bench.ask('c.5', 1 + 10 * at))
  await turn(bench.clock, 100)
  for (const { offsets, from } of askers) {
    const all = Array.from({ length: 10 }, (_, round) => 6 + 1_000 * round)
    assert.deepEqual(
      offsets,
      all.filter((offset) => offset >= from),
    )
  }
  assert.equal(bench.history.count('read'), 1)
  assert.equal(bench.history.count('screen'), 1)
  assert.equal(bench.history.count('state'), 1)
})

test('many channels are served by one scan, from the lowest offset wanted', async () => {
  const bench = new Bench()
  bench.store(500, 5)
  const askers = Array.from({ length: 500 }, (_, at) => bench.ask(`c.${at}`, 1_001 + at))
  await turn(bench.clock, 200)
  for (const { offsets, from } of askers) assert.deepEqual(offsets, [from, from + 500, from + 1_000])
  const { singleReads, scans, scannedPublications } = bench.planner.counters
  assert.deepEqual([singleReads, scans, scannedPublications], [0, 1, 1_500])
})

test('a storm that takes two seconds is served by few scans', async () => {
  const bench = new Bench()
  bench.store(2_000, 4)
  const askers: Asker[] = []
  for (let at = 0; at < 2_000; at += 1) {
    askers.push(bench.ask(`c.${at}`, 2_001 + at))
    await turn(bench.clock, 1)
  }
  await turn(bench.clock, 500)
  assert.ok(askers.every(({ result, offsets }) => result === 'whole' && offsets.length === 3))
  const { scans, singleReads } = bench.planner.counters
  assert.ok(scans <= 20, `${scans} scans`)
  assert.ok(singleReads <= 200, `${singleReads} single reads`)
})

test('a thousand who want one are not behind one who wants a thousand', async () => {
  const bench = new Bench({ parallelReadsMax: 1, pageCountMax: 10 })
  for (let at = 0; at < 1_000; at += 1) bench.history.store('c.long')
  const long = bench.ask('c.long', 1)
  await turn(bench.clock, 8)
  assert.equal(long.result, 'waiting')
  for (let at = 0; at < 20; at += 1) {
    bench.history.store(`c.${at}`)
    bench.history.store(`c.${at}`)
  }
  const short = Array.from({ length: 10 }, (_, at) => bench.ask(`c.${at}`, 1_001 + 2 * at))
  await turn(bench.clock, 60)
  assert.ok(short.every(({ result, offsets }) => result === 'whole' && offsets.length === 2))
  assert.equal(long.result, 'waiting')
  await turn(bench.clock, 200)
  assert.equal(long.offsets.length, 1_000)
  assert.equal(long.result, 'whole')
})

test('who arrives during a scan and wants what is ahead joins it', async () => {
  const bench = new Bench()
  bench.history.scannedPerMs = 100
  bench.store(500, 10)
  const early = Array.from({ length: 500 }, (_, at) => bench.ask(`c.${at}`, 1_001 + at))
  await turn(bench.clock, 20)
  const position = 1_000 + early[0]!.offsets.length * 500
  const joining = bench.ask('c.9', position + 1_000)
  const behind = bench.ask('c.9', 10)
  const screens = bench.history.count('screen')
  await turn(bench.clock, 1)
  assert.equal(bench.history.count('screen'), screens)
  assert.equal(bench.planner.counters.joined, 1)
  await turn(bench.clock, 200)
  const all = Array.from({ length: 10 }, (_, round) => 10 + 500 * round)
  assert.deepEqual(
    joining.offsets,
    all.filter((offset) => offset >= joining.from),
  )
  assert.ok(joining.offsets.length > 0)
  assert.deepEqual(behind.offsets, all)
  assert.equal(bench.planner.counters.scans, 1)
})

test('who missed nothing does not wait for the end of a long scan', async () => {
  const bench = new Bench()
  bench.history.scannedPerMs = 1
  bench.store(100, 10)
  const slow = bench.ask('c.>', 1)
  assert.ok(isPattern(slow.name))
  const costly = { ...recoveryCosts.file, scanPerMessageUs: 1_000, patternReadPerMessageUs: 9_000 }
  const planner = new RecoveryPlanner({
    ...{ history: bench.history, namespace: 'c', storage: 'file', clock: bench.clock },
    ...{ costs: costly, onLongScan: () => {}, onError: assert.fail },
  })
  planner.request(new Asker('c.>', 1))
  await turn(bench.clock, 50)
  assert.equal(planner.counters.scans, 1)
  const quiet = new Asker('c.1', 903)
  planner.request(quiet)
  await turn(bench.clock, 30)
  assert.equal(quiet.result, 'whole')
})

test('a pattern is given everything that matches, by a scan too', async () => {
  const bench = new Bench()
  for (let at = 0; at < 1_000; at += 1) bench.history.store(`c.${at % 10}.${at % 3}`)
  const pattern = bench.ask('c.5.*', 300)
  const channel = bench.ask('c.5.1', 500)
  const everything = bench.ask('c.>', 1)
  await turn(bench.clock, 100)
  const fives = bench.history.kept.filter((stored) => stored.channel.startsWith('c.5.'))
  const offsets = fives.map(({ offset }) => offset)
  assert.deepEqual(
    pattern.offsets,
    offsets.filter((offset) => offset >= 300),
  )
  assert.equal(everything.offsets.length, 1_000)
  assert.equal(channel.offsets.length, fives.filter((p) => p.channel === 'c.5.1' && p.offset >= 500).length)
  assert.equal(bench.planner.counters.scans, 1)
})

test('a lagging replica is never taken for an empty history', async () => {
  const bench = new Bench()
  bench.store(10, 5)
  bench.history.lag = () => 50
  const asker = bench.ask('c.3', 14, 44)
  await turn(bench.clock, 400)
  assert.equal(asker.result, 'waiting')
  bench.history.lag = () => 0
  await turn(bench.clock, 100)
  assert.deepEqual(asker.offsets, [14, 24, 34, 44])
  assert.equal(asker.result, 'whole')
  assert.ok(bench.planner.counters.retries > 0)
})

test('a page of a replica that lags behind the page before does not end a recovery', async () => {
  const bench = new Bench({ pageCountMax: 2 })
  bench.store(10, 5)
  const lags = [0, 0, 40]
  bench.history.lag = () => lags.shift() ?? 0
  const asker = bench.ask('c.3', 4)
  await turn(bench.clock, 200)
  assert.deepEqual(asker.offsets, [4, 14, 24, 34, 44])
  assert.ok(asker.outcome?.ok)
  assert.equal(asker.outcome.asOf, 50)
})

test('a replica that goes on lagging is given up after a while, and said', async () => {
  const bench = new Bench()
  bench.store(10, 5)
  bench.history.lag = () => 50
  const asker = bench.ask('c.3', 14, 44)
  await turn(bench.clock, 6_000)
  assert.equal(asker.result, 'broker_unavailable')
  assert.deepEqual(asker.offsets, [])
})

test('a history that ends before what was known is said to be rewound, by its leader', async () => {
  const bench = new Bench()
  bench.store(10, 5)
  bench.history.rewind(20)
  const asker = bench.ask('c.3', 45, 44)
  await turn(bench.clock, 500)
  assert.ok(asker.outcome?.ok === false && asker.outcome.code === 'rewound')
  assert.equal(asker.outcome.state.last, 20)
})

test('no answer is asked for again, and then said to be one that cannot be had', async () => {
  for (const type of ['screen', 'read', 'scan', 'state'] as const) {
    const bench = new Bench()
    bench.store(100, 5)
    const offsets = type === 'scan' ? 100 : 1
    const ask = (): Asker[] =>
      Array.from({ length: offsets }, (_, at) => bench.ask(`c.${at}`, 101 + at))
    let lost = 2
    bench.history.isLost = (asked) => asked === type && (lost -= 1) >= 0
    const helped = ask()
    await turn(bench.clock, 2_000)
    assert.ok(
      helped.every(({ result }) => result === 'whole'),
      type,
    )
    assert.ok(helped.every((asker) => asker.offsets.length === 4))
    bench.history.isLost = (asked) => asked === type
    const lostAskers = ask()
    await turn(bench.clock, 2_000)
    assert.ok(
      lostAskers.every(({ result }) => result === 'broker_unavailable'),
      type,
    )
    assert.equal(bench.planner.waiting, 0)
  }
})

test('a scan that breaks halfway loses and repeats nothing', async () => {
  const bench = new Bench()
  bench.store(500, 5)
  const breaks = new Set([1_200, 1_201, 2_400])
  bench.history.breaksAt = (offset) => breaks.delete(offset)
  const askers = Array.from({ length: 500 }, (_, at) => bench.ask(`c.${at}`, 1_001 + at))
  await turn(bench.clock, 2_000)
  for (const { offsets, from, result } of askers) {
    assert.deepEqual(offsets, [from, from + 500, from + 1_000])
    assert.equal(result, 'whole')
  }
  assert.equal(breaks.size, 0)
})

test('a subscriber that leaves is never called again', async () => {
  for (let leaveAfterMs = 0; leaveAfterMs < 30; leaveAfterMs += 1) {
    const bench = new Bench({ pageCountMax: 2 })
    bench.history.scannedPerMs = 100
    bench.store(100, 10)
    const staying = Array.from({ length: 50 }, (_, at) => bench.ask(`c.${at}`, 101 + at))
    const leaving = Array.from({ length: 50 }, (_, at) => bench.ask(`c.${at}`, 301 + at))
    await turn(bench.clock, leaveAfterMs)
    for (const asker of leaving) bench.planner.cancel(asker)
    const calls = leaving.map((asker) => asker.calls)
    await turn(bench.clock, 500)
    assert.deepEqual(
      leaving.map((asker) => asker.calls),
      calls,
    )
    assert.ok(staying.every(({ result, offsets }) => result === 'whole' && offsets.length === 9))
  }
})

test('who is cancelled by another one’s taker is not called either', async () => {
  for (const from of [901, 401]) {
    const bench = new Bench()
    bench.store(100, 10)
    const first = bench.ask('c.0', from)
    const second = bench.ask('c.0', from)
    first.onTake = () => bench.planner.cancel(second)
    await turn(bench.clock, 100)
    assert.equal(first.result, 'whole')
    assert.equal(second.calls, 0)
  }
})

test('a scan that nobody wants any more is stopped', async () => {
  const bench = new Bench()
  bench.history.scannedPerMs = 1
  bench.store(200, 5)
  const askers = Array.from({ length: 200 }, (_, at) => bench.ask(`c.${at}`, 1 + at))
  askers[0]!.takesMax = 1
  await turn(bench.clock, 20)
  assert.equal(bench.history.scansOpen, 1)
  for (const asker of askers.slice(1)) bench.planner.cancel(asker)
  await turn(bench.clock, 5)
  assert.equal(bench.history.scansOpen, 0)
  assert.equal(askers[0]!.result, 'cut')
})

test('who wants no more is done, and the others go on', async () => {
  const bench = new Bench()
  bench.store(10, 10)
  const short = new Asker('c.1', 2)
  short.takesMax = 3
  bench.planner.request(short)
  const long = bench.ask('c.1', 2)
  await turn(bench.clock, 50)
  assert.deepEqual(short.offsets, [2, 12, 22])
  assert.equal(short.result, 'cut')
  assert.equal(long.offsets.length, 10)
  assert.equal(long.result, 'whole')
})

test('a taker that throws harms nobody else', async () => {
  const bench = new Bench()
  bench.store(300, 5)
  const bad = bench.ask('c.1', 2)
  bad.onTake = () => {
    throw new Error('bad')
  }
  bad.onDone = bad.onTake as () => void
  const good = Array.from({ length: 300 }, (_, at) => bench.ask(`c.${at}`, 1 + at))
  await turn(bench.clock, 100)
  assert.ok(good.every(({ result, offsets }) => result === 'whole' && offsets.length === 5))
  assert.equal(bench.errors.length, 2)
})

test('the planner is bounded', async () => {
  const bench = new Bench({ requestsMax: 100, pagesWaitingMax: 5, parallelReadsMax: 3 })
  bench.store(1, 5_000)
  bench.store(200, 1)
  bench.store(200, 1)
  const askers = Array.from({ length: 101 }, (_, at) => bench.ask(`c.${at}`, 5_001 + at))
  assert.equal(askers.at(-1)?.result, 'overloaded')
  const name = askers[0]!.name
  const pages = Array.from({ length: 6 }, () => bench.planner.read(name, 1, 9_999, 99_999_999))
  assert.equal(await pages.at(-1), 'overloaded')
  await turn(bench.clock, 500)
  const page = await pages[0]!
  assert.ok(typeof page === 'object')
  assert.equal(page.publications.length, recoveryLimits.pageCountMax)
  assert.ok(bench.history.readsActiveMax <= 3)
  assert.ok(askers.slice(0, -1).every(({ result }) => result === 'whole'))
  assert.equal(bench.planner.waiting, 0)
  assert.equal(bench.planner.counters.overloaded, 2)
})

test('a scan that takes too long is given up, and a long one is told of', async () => {
  const bench = new Bench({ scanMsMax: 1_500 })
  bench.history.scannedPerMs = 1
  bench.store(1_000, 2)
  const tooLong = Array.from({ length: 1_000 }, (_, at) => bench.ask(`c.${at}`, 1 + at))
  await turn(bench.clock, 3_000)
  assert.ok(tooLong.every(({ result }) => result === 'overloaded'))
  assert.equal(bench.history.scansOpen, 0)
  assert.equal(bench.longScans.length, 1)
  assert.equal(bench.longScans[0]!.namespace, 'c')
})

test('nobody is left without an answer when the planner is closed', async () => {
  for (let closeAfterMs = 0; closeAfterMs < 20; closeAfterMs += 1) {
    const bench = new Bench()
    bench.history.scannedPerMs = 50
    bench.store(100, 10)
    const askers = Array.from({ length: 100 }, (_, at) => bench.ask(`c.${at}`, 101 + at))
    const page = bench.planner.read(askers[0]!.name, 1, 10, 1_000)
    await turn(bench.clock, closeAfterMs)
    bench.planner.close()
    assert.ok(askers.every(({ result }) => result === 'whole' || result === 'broker_unavailable'))
    await page
    const late = bench.ask('c.1', 1)
    assert.equal(late.result, 'broker_unavailable')
    await turn(bench.clock, 100)
    assert.equal(bench.history.scansOpen, 0)
    assert.equal(bench.clock.pending, 0)
  }
})
