/** Plans for recoveries are the cheapest of all that there are, and scans wait no longer than told. */
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
const anyHead = fc.nat(1_500)

function channels(...offsets: number[]): Wanted[] {
  return offsets.map((next) => ({ next, isPattern: false }))
}

/** What it costs if everybody who wants this or later is scanned for, and the others read singly. */
function splitUs(wanted: Wanted[], scanFrom: number, head: number, costs: RecoveryCosts): number {
  const singly = wanted.filter(({ next }) => next < scanFrom)
  const singlyUs = singly.reduce((sum, one) => sum + readCostUs(one, head, costs), 0)
  return singlyUs + (scanFrom === Infinity ? 0 : scanCostUs(scanFrom, head, costs))
}

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-6 * Math.max(1, a, b)
}

test('a plan never costs more than single reads, a scan for all, or any other division', () => {
  fc.assert(
    fc.property(anyWanted, anyHead, anyCosts, (wanted, head, costs) => {
      const plan = planRecovery(wanted, head, costs)
      assert.ok(isClose(plan.totalUs, splitUs(wanted, plan.scanFrom, head, costs)))
      for (const scanFrom of [Infinity, ...wanted.map(({ next }) => next)]) {
        const otherUs = splitUs(wanted, scanFrom, head, costs)
        assert.ok(plan.totalUs <= otherUs || isClose(plan.totalUs, otherUs))
      }
    }),
  )
})

test('a plan never gets cheaper when more is wanted, or lies farther back', () => {
  fc.assert(
    fc.property(anyWanted, anyHead, anyCosts, fc.nat(100), (wanted, head, costs, more) => {
      const { totalUs } = planRecovery(wanted, head, costs)
      const grown = planRecovery(wanted, head + more, costs).totalUs
      const fewer = planRecovery(wanted.slice(1), head, costs).totalUs
      assert.ok(grown >= totalUs || isClose(grown, totalUs))
      assert.ok(fewer <= totalUs || isClose(fewer, totalUs))
    }),
  )
})

test('a plan does not depend on the order in which they came', () => {
  fc.assert(
    fc.property(anyWanted, anyHead, (wanted, head) => {
      const plan = planRecovery(wanted, head, file)
      const reversed = planRecovery([...wanted].reverse(), head, file)
      assert.equal(reversed.scanFrom, plan.scanFrom)
      assert.ok(isClose(reversed.totalUs, plan.totalUs))
    }),
  )
})

test('nothing wanted costs nothing, and one alone is read singly', () => {
  assert.deepEqual(planRecovery([], 1_000, file), { scanFrom: Infinity, scanUs: 0, totalUs: 0 })
  for (const costs of [file, memory]) {
    for (const next of [1, 250_000, 340_000, 340_001, 500_000]) {
      assert.equal(planRecovery(channels(next), 340_000, costs).scanFrom, Infinity)
    }
  }
})

test('a head behind what is wanted costs no less than nothing', () => {
  assert.equal(readCostUs({ next: 500, isPattern: false }, 10, file), file.readFixedUs)
  assert.equal(scanCostUs(500, 10, file), file.scanFixedUs)
  assert.equal(planRecovery(channels(500, 600), 10, file).totalUs, 2 * file.readFixedUs)
})

test('a storm is scanned for, but the few who are far behind are read singly', () => {
  const head = 340_000
  const storm = Array.from({ length: 15_000 }, (_, at) => head - 51_000 + at)
  assert.equal(planRecovery(channels(...storm), head, file).scanFrom, head - 51_000)
  assert.equal(planRecovery(channels(5, ...storm), head, file).scanFrom, head - 51_000)
  assert.equal(planRecovery(channels(...storm.slice(0, 5)), head, file).scanFrom, Infinity)
})

test('few are screened first, and many only if a scan for all would cost more', () => {
  assert.equal(shouldScreen(1_000, 300_000, 340_000, file), true)
  assert.equal(shouldScreen(15_000, 339_000, 340_000, file), false)
  assert.equal(shouldScreen(15_000, 289_000, 340_000, file), true)
  assert.equal(shouldScreen(1, 340_001, 340_000, file), true)
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
