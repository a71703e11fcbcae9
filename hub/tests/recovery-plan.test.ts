/** Plans for recoveries are the cheapest of all there are, and scans wait no longer than told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  planRecovery,
  readCostUs,
  recoveryCosts,
  scanCostUs,
  scanDueAt,
  shouldScreen,
  type Extent,
  type RecoveryCosts,
  type Wanted,
} from '../recovery-plan.js'

const { file, memory } = recoveryCosts

const anyCosts: fc.Arbitrary<RecoveryCosts> = fc
  .record({
    readFixedUs: fc.nat(1_000),
    readPerMessageUs: fc.double({ min: 0, max: 2, noNaN: true }),
    patternReadPerMessageUs: fc.double({ min: 0, max: 20, noNaN: true }),
    scanFixedUs: fc.nat(10_000),
    scanPerMessageUs: fc.double({ min: 0, max: 20, noNaN: true }),
  })
  .map((some) => ({ ...file, ...some }))

/** Some of them beyond the head, some equal. */
const anyWanted: fc.Arbitrary<Wanted[]> = fc.array(
  fc.record({ next: fc.integer({ min: 1, max: 2_000 }), isPattern: fc.boolean() }),
  { maxLength: 30 },
)
const anyExtent: fc.Arbitrary<Extent> = fc
  .tuple(fc.nat(1_000), fc.nat(1_500))
  .map(([first, length]) => ({ first: first + 1, last: first + length }))

function extent(last: number): Extent {
  return { first: 1, last }
}

function channels(...offsets: number[]): Wanted[] {
  return offsets.map((next) => ({ next, isPattern: false }))
}

/** What it costs to read so many of the farthest singly, and the others by a scan. */
function splitUs(wanted: Wanted[], at: number, there: Extent, costs: RecoveryCosts): number {
  const farthestFirst = [...wanted].sort((a, b) => a.next - b.next)
  const singly = farthestFirst.slice(0, at)
  const singlyUs = singly.reduce((sum, one) => sum + readCostUs(one, there, costs), 0)
  const scanned = farthestFirst[at]
  return singlyUs + (scanned === undefined ? 0 : scanCostUs(scanned.next, there, costs))
}

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-6 * Math.max(1, a, b)
}

test('a plan never costs more than single reads, a scan for all, or any other division', () => {
  fc.assert(
    fc.property(anyWanted, anyExtent, anyCosts, (wanted, there, costs) => {
      const { singly, scanned, totalUs } = planRecovery(wanted, there, costs)
      assert.equal(singly.length + scanned.length, wanted.length)
      assert.ok(isClose(totalUs, splitUs(wanted, singly.length, there, costs)))
      for (let at = 0; at <= wanted.length; at += 1) {
        const otherUs = splitUs(wanted, at, there, costs)
        assert.ok(totalUs <= otherUs || isClose(totalUs, otherUs))
      }
    }),
  )
})

test('a plan never gets cheaper when more is wanted, or lies farther back', () => {
  fc.assert(
    fc.property(anyWanted, anyExtent, anyCosts, fc.nat(100), (wanted, there, costs, more) => {
      const { totalUs } = planRecovery(wanted, there, costs)
      const longer = { first: there.first, last: there.last + more }
      const grownUs = planRecovery(wanted, longer, costs).totalUs
      const fewerUs = planRecovery(wanted.slice(1), there, costs).totalUs
      assert.ok(grownUs >= totalUs || isClose(grownUs, totalUs))
      assert.ok(fewerUs <= totalUs || isClose(fewerUs, totalUs))
    }),
  )
})

test('a plan does not depend on the order in which they came', () => {
  fc.assert(
    fc.property(anyWanted, anyExtent, (wanted, there) => {
      const plan = planRecovery(wanted, there, file)
      const reversed = planRecovery([...wanted].reverse(), there, file)
      assert.ok(isClose(reversed.totalUs, plan.totalUs))
    }),
  )
})

test('nothing wanted costs nothing, and one alone is read singly', () => {
  const { singly, scanned, totalUs } = planRecovery([], extent(1_000), file)
  assert.deepEqual([singly, scanned, totalUs], [[], [], 0])
  for (const costs of [file, memory]) {
    for (const next of [1, 250_000, 340_000, 340_001, 500_000]) {
      assert.equal(planRecovery(channels(next), extent(340_000), costs).scanned.length, 0)
    }
  }
})

test('a head behind what is wanted costs no less than nothing', () => {
  assert.equal(readCostUs({ next: 500, isPattern: false }, extent(10), file), file.readFixedUs)
  assert.equal(scanCostUs(500, extent(10), file), file.scanFixedUs)
  assert.equal(planRecovery(channels(500, 600), extent(10), file).totalUs, 2 * file.readFixedUs)
})

test('a storm is scanned for, but the few who are far behind are read singly', () => {
  const head = 340_000
  const storm = Array.from({ length: 15_000 }, (_, at) => head - 51_000 + at)
  const plan = (...offsets: number[]): number =>
    planRecovery(channels(...offsets), extent(head), file).singly.length
  assert.equal(plan(...storm), 0)
  assert.equal(plan(5, ...storm), 1)
  assert.equal(plan(...storm.slice(0, 5)), 5)
})

test('what limits have removed costs nothing: everything of a long history is scanned for', () => {
  const there = { first: 1_000_000_001, last: 1_000_340_000 }
  const fromTheStart = channels(...Array.from({ length: 15_000 }, () => 1))
  assert.equal(planRecovery(fromTheStart, there, file).singly.length, 0)
  assert.equal(scanCostUs(1, there, file), scanCostUs(there.first, there, file))
})

test('few are screened first, and many only if a scan for all would cost more', () => {
  assert.equal(shouldScreen(1_000, 300_000, extent(340_000), file), true)
  assert.equal(shouldScreen(15_000, 339_000, extent(340_000), file), false)
  assert.equal(shouldScreen(15_000, 289_000, extent(340_000), file), true)
  assert.equal(shouldScreen(1, 340_001, extent(340_000), file), true)
})

const calm = {
  scanUs: 100_000,
  lastBeganAt: -Infinity,
  lastEndedAt: -Infinity,
  waitingSince: 1_000,
  lastArrivedAt: 1_000,
}

test('the first scan may begin at once, the next when others had time to come', () => {
  assert.ok(scanDueAt(calm, file) <= 1_000)
  const stormy = { ...calm, lastBeganAt: 900, lastEndedAt: 1_000, lastArrivedAt: 10_000 }
  assert.equal(scanDueAt(stormy, file), 900 + 100 * file.scanSpacing)
})

test('nobody waits for others when none come, nor longer than the wait that is allowed', () => {
  const times = fc.nat(10_000)
  const some = fc.record({
    scanUs: fc.nat(10_000_000),
    lastBeganAt: times,
    lastEndedAt: times,
    waitingSince: times,
    lastArrivedAt: times,
  })
  fc.assert(
    fc.property(some, (circumstances) => {
      const { waitingSince, lastEndedAt, lastArrivedAt } = circumstances
      const dueAt = scanDueAt(circumstances, file)
      assert.ok(dueAt <= lastArrivedAt + file.scanQuietMs)
      assert.ok(dueAt <= Math.max(waitingSince, lastEndedAt) + file.scanWaitMsMax)
    }),
  )
})
