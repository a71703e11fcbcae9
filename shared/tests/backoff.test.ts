/** The client's wait between attempts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { backoffMs } from '../backoff.js'

test('the bound of the wait doubles from one second up to 30 (PROTOCOL 10.5)', () => {
  const almostOne = 1 - 2 ** -53
  const bounds = [0, 1, 2, 3, 4, 5, 6, 60, 5000].map((attempt) => backoffMs(attempt, almostOne))
  assert.deepEqual(bounds, [999, 1999, 3999, 7999, 15999, 29999, 29999, 29999, 29999])
})

test('the wait is drawn evenly from nothing up to the bound (PROTOCOL 10.5)', () => {
  assert.equal(backoffMs(9, 0), 0)
  assert.equal(backoffMs(9, 0.5), 15_000)
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(fc.nat(2000), random, (attempt, chance) => {
      const waitMs = backoffMs(attempt, chance)
      assert.ok(Number.isInteger(waitMs) && waitMs >= 0 && waitMs < 30_000)
    }),
  )
})
