/** Token buckets, alone and by key. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { KeyedRateLimit, TokenBucket } from '../rate-limit.js'

function takeMany(take: () => boolean, count: number): number {
  return Array.from({ length: count }, take).filter((isTaken) => isTaken).length
}

test('a bucket gives its burst at once and then its rate (PROTOCOL 4.17)', () => {
  const bucket = new TokenBucket(200, 0)
  const take = (now: number) => (): boolean => bucket.take(100, 200, now)
  assert.equal(takeMany(take(0), 1000), 200)
  assert.equal(takeMany(take(9), 1000), 0)
  assert.equal(takeMany(take(500), 1000), 50)
  assert.equal(takeMany(take(1500), 1000), 100)
  assert.equal(takeMany(take(3_600_000), 1000), 200)
})

test('however it is used, a bucket never gives more than burst and rate allow', () => {
  const steps = fc.array(fc.tuple(fc.nat(3000), fc.nat(50)), { maxLength: 50 })
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 100 }),
      steps,
      (...all) => {
        const [perSecondMax, burstMax, taken] = all
        const bucket = new TokenBucket(burstMax, 0)
        let now = 0
        let total = 0
        for (const [waitMs, count] of taken) {
          now += waitMs
          total += takeMany(() => bucket.take(perSecondMax, burstMax, now), count)
          assert.ok(total <= burstMax + (perSecondMax * now) / 1000 + 1e-6)
        }
      },
    ),
  )
})

test('a clock that is set back gives nothing and takes nothing', () => {
  const bucket = new TokenBucket(10, 1_000_000)
  const take = (now: number) => (): boolean => bucket.take(10, 10, now)
  assert.equal(takeMany(take(1_000_000), 10), 10)
  assert.equal(takeMany(take(400_000), 10), 0)
  assert.equal(takeMany(take(401_000), 100), 10)
})

test('each key has a bucket of its own (PROTOCOL 3.7)', () => {
  const limit = new KeyedRateLimit(3, 3, 100)
  assert.equal(
    takeMany(() => limit.take('a', 0), 10),
    3,
  )
  assert.equal(
    takeMany(() => limit.take('b', 0), 10),
    3,
  )
  assert.equal(
    takeMany(() => limit.take('a', 1000), 10),
    3,
  )
})

test('over the bound the key that was used longest ago makes room', () => {
  const limit = new KeyedRateLimit(1, 1, 3)
  for (const key of ['a', 'b', 'c']) assert.ok(limit.take(key, 0))
  // Refused, and used: it is not the oldest any more.
  assert.ok(!limit.take('a', 0))
  assert.ok(limit.take('d', 0))
  assert.ok(!limit.take('a', 0))
  assert.ok(!limit.take('c', 0))
  assert.ok(limit.take('b', 0))
})

test('a limit of nothing gives nothing', () => {
  const limit = new KeyedRateLimit(0, 0, 10)
  assert.equal(
    takeMany(() => limit.take('a', 0), 10),
    0,
  )
  assert.equal(
    takeMany(() => limit.take('a', 1e9), 10),
    0,
  )
})
