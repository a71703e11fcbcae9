/** The recovery planner: who is given what, and at what cost. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recoveryLimits } from '../recovery-limits.js'
import { Bench } from './planner-bench.js'
import type { Asker } from './recovery-asker.js'
import { turn } from './scripted-history.js'

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
  // The first round of a planner asks, too, where the history begins.
  assert.equal(bench.history.count('state'), 2)
})

test('many channels are served by one scan, from the lowest offset wanted', async () => {
  const bench = new Bench()
  bench.store(500, 5)
  const askers = Array.from({ length: 500 }, (_, at) => bench.ask(`c.${at}`, 1_001 + at))
  await turn(bench.clock, 200)
  for (const { offsets, from } of askers)
    assert.deepEqual(offsets, [from, from + 500, from + 1_000])
  const { singleReads, scans, scannedPublications } = bench.planner.counters
  assert.deepEqual([singleReads, scans, scannedPublications], [0, 1, 1_500])
})

test('who waits to be read singly goes over to the scan that others make worth it', async () => {
  const bench = new Bench({ parallelReadsMax: 1 })
  bench.store(500, 5)
  bench.history.answerMs = () => 10
  const few = Array.from({ length: 5 }, (_, at) => bench.ask(`c.${at}`, 1_001 + at))
  await turn(bench.clock, 20)
  assert.equal(bench.history.count('read'), 1)
  const many = Array.from({ length: 495 }, (_, at) => bench.ask(`c.${at + 5}`, 1_006 + at))
  await turn(bench.clock, 1_000)
  const all = [...few, ...many]
  assert.ok(all.every(({ result, offsets }) => result === 'whole' && offsets.length === 3))
  assert.equal(bench.planner.counters.scans, 1)
  assert.ok(bench.history.count('read') <= 4)
})

test('a lone one does not wait for others', async () => {
  const bench = new Bench()
  bench.store(500, 5)
  const asker = bench.ask('c.1', 1_002)
  await turn(bench.clock, 7)
  assert.equal(asker.result, 'whole')
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
  assert.ok(singleReads <= 500, `${singleReads} single reads`)
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
  const bench = new Bench({}, { scanPerMessageUs: 1_000, patternReadPerMessageUs: 9_000 })
  bench.history.scannedPerMs = 1
  bench.store(100, 10)
  const slow = bench.ask('c.>', 1)
  await turn(bench.clock, 50)
  assert.equal(bench.planner.counters.scans, 1)
  const quiet = bench.ask('c.1', 903)
  await turn(bench.clock, 30)
  assert.equal(quiet.result, 'whole')
  assert.equal(slow.result, 'waiting')
})

test('a pattern is given everything that matches, by a scan too', async () => {
  const bench = new Bench()
  for (let at = 0; at < 1_000; at += 1) bench.history.store(`c.${at % 10}.${at % 3}`)
  const pattern = bench.ask('c.5.*', 300)
  const channel = bench.ask('c.5.1', 500)
  const everything = Array.from({ length: 10 }, () => bench.ask('c.>', 1))
  for (let at = 0; at < 10; at += 1) bench.ask(`c.${at}.>`, 1)
  await turn(bench.clock, 100)
  const fives = bench.history.kept.filter((stored) => stored.channel.startsWith('c.5.'))
  const offsets = fives.map(({ offset }) => offset)
  assert.deepEqual(
    pattern.offsets,
    offsets.filter((offset) => offset >= 300),
  )
  assert.ok(everything.every((asker) => asker.offsets.length === 1_000))
  assert.equal(
    channel.offsets.length,
    fives.filter((p) => p.channel === 'c.5.1' && p.offset >= 500).length,
  )
  assert.equal(bench.planner.counters.scans, 1)
})
