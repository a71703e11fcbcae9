/** The recovery planner when the history fails, subscribers leave, or there are too many. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recoveryLimits } from '../recovery-limits.js'
import { Bench } from './planner-bench.js'
import { Asker } from './recovery-asker.js'
import { turn } from './scripted-history.js'

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
  for (const name of ['c.3', 'c.>']) {
    const bench = new Bench({ pageCountMax: 2 })
    bench.store(10, 5)
    // First a screen of the channel, or the state for the pattern; then two pages.
    const lags = [0, 0, 40]
    bench.history.lag = () => lags.shift() ?? 0
    const asker = bench.ask(name, name === 'c.3' ? 4 : 45)
    await turn(bench.clock, 200)
    const offsets = name === 'c.3' ? [4, 14, 24, 34, 44] : [45, 46, 47, 48, 49, 50]
    assert.deepEqual(asker.offsets, offsets)
    assert.ok(asker.outcome?.ok)
    assert.equal(asker.outcome.asOf, 50)
  }
})

test('who learns meanwhile that there is more is not done with less', async () => {
  const bench = new Bench()
  bench.store(10, 5)
  bench.history.lag = () => 10
  const asker = bench.ask('c.3', 14)
  await turn(bench.clock, 5)
  asker.floor = 50
  await turn(bench.clock, 20)
  assert.deepEqual(asker.offsets, [14, 24, 34])
  assert.equal(asker.result, 'waiting')
  bench.history.lag = () => 0
  await turn(bench.clock, 100)
  assert.deepEqual(asker.offsets, [14, 24, 34, 44])
  assert.equal(asker.result, 'whole')
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
  const scans = bench.history.asked.flatMap((asked) => (asked.type === 'scan' ? [asked.from] : []))
  assert.deepEqual(scans, [1_001, 1_200, 1_201, 2_400].slice(0, scans.length))
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
  assert.equal(askers.at(-1)?.result, 'waiting', 'nobody is called back at once')
  await turn(bench.clock, 0)
  assert.equal(askers.at(-1)?.result, 'overloaded')
  const name = askers[0]!.name
  const pages = Array.from({ length: 6 }, () => bench.planner.read(name, 1, 9_999, 99_999_999))
  assert.equal(await pages.at(-1), 'overloaded')
  await turn(bench.clock, 500)
  const page = await pages[0]!
  assert.ok(typeof page === 'object')
  assert.equal(page.publications.length, recoveryLimits.historyPageCountMax)
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
    const left = bench.ask('c.1', 1)
    bench.planner.cancel(left)
    await turn(bench.clock, 0)
    assert.equal(left.calls, 0)
    assert.equal(late.result, 'broker_unavailable')
    await turn(bench.clock, 100)
    assert.equal(bench.history.scansOpen, 0)
    assert.equal(bench.clock.pending, 0)
  }
})
