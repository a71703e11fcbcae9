/** A recovery says that it is complete only when it is, against every history that limits leave. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Position } from '../../shared/position.js'
import { completenessOf } from '../completeness.js'

const epoch = '0123456789ab'

interface Read {
  readonly position: Omit<Position, 'epoch'>
  readonly anchorTime?: number
  readonly count?: number
  readonly first: number
  readonly last?: number
  readonly messagesPerChannel?: number
}

function verdict(read: Read): string {
  const { position, anchorTime, count = 0, first, last = 1_000 } = read
  return completenessOf({
    position: { epoch, ...position },
    anchorTime,
    countOfChannelMax: count,
    state: { epoch, first, last },
    messagesPerChannel: read.messagesPerChannel ?? 100,
  })
}

test('the anchor with its time proves that everything after it is there', () => {
  const position = { offset: 50, time: 1_700_000_000_123 }
  assert.equal(verdict({ position, anchorTime: position.time, first: 1, count: 3 }), 'complete')
  assert.equal(verdict({ position, anchorTime: position.time + 1, first: 1 }), 'new_epoch')
})

test('a cursor has the lowest 16 bits of the time, and they prove as much', () => {
  const time = 1_700_000_000_123
  const position = { offset: 50, time: time % 65_536 }
  assert.equal(verdict({ position, anchorTime: time, first: 1 }), 'complete')
  assert.equal(verdict({ position, anchorTime: time + 5, first: 1 }), 'new_epoch')
})

test('a quiet channel is complete although its last publication has expired', () => {
  const position = { offset: 50, time: 1, verified: 700 }
  assert.equal(verdict({ position, first: 701 }), 'complete')
  assert.equal(verdict({ position, first: 702 }), 'expired')
  assert.equal(verdict({ position: { offset: 50, time: 1 }, first: 701 }), 'expired')
})

test('as many as a channel keeps may be fewer than there were', () => {
  const position = { offset: 50, time: 1, verified: 700 }
  assert.equal(verdict({ position, first: 60, count: 99 }), 'complete')
  assert.equal(verdict({ position, first: 60, count: 100 }), 'expired')
})

test('an anchor that no limit removed was taken back, and new ones may stand before it', () => {
  assert.equal(verdict({ position: { offset: 50, time: 1 }, first: 50, count: 1 }), 'new_epoch')
})

test('how many there are is not known where not all were read: nothing proves then', () => {
  const position = { offset: 50, time: 1, verified: 700 }
  assert.equal(verdict({ position, first: 60, count: Infinity }), 'expired')
  assert.equal(verdict({ position, anchorTime: 1, first: 1, count: Infinity }), 'expired')
})

interface Kept {
  readonly offset: number
  readonly isOurs: boolean
}

/** Publishes to our channel (true) and others; keeps `perChannel` of ours and `age` of all. */
function keep(published: readonly boolean[], perChannel: number, age: number): readonly Kept[] {
  const all = published.map((isOurs, at) => ({ offset: at + 1, isOurs }))
  const young = all.filter(({ offset }) => offset > all.length - age)
  const ours = young.filter(({ isOurs }) => isOurs)
  const dropped = new Set(ours.slice(0, Math.max(0, ours.length - perChannel)))
  return young.filter((one) => !dropped.has(one))
}

test('complete is never said where something is missing, and never withheld with an anchor', () => {
  const inputs = fc.tuple(
    fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }),
    fc.integer({ min: 1, max: 6 }),
    fc.integer({ min: 1, max: 40 }),
    fc.nat(40),
    fc.nat(10),
  )
  fc.assert(
    fc.property(inputs, ([published, messagesPerChannel, age, at, told]) => {
      const last = published.length
      const verified = Math.min(at, last)
      const ours = published.flatMap((isOurs, index) => (isOurs ? [index + 1] : []))
      const offset = ours.filter((one) => one <= verified).at(-1)
      const position =
        offset === undefined
          ? { offset: verified }
          : { offset, time: offset + 100_000, verified: Math.max(offset, verified - told) }
      const kept = keep(published, messagesPerChannel, age)
      const first = kept[0]?.offset ?? last + 1
      const found = kept.filter((one) => one.isOurs && one.offset > position.offset)
      const hasAnchor = kept.some((one) => one.isOurs && one.offset === offset)
      const missed = ours.filter((one) => one > position.offset)
      const result = verdict({
        position,
        ...(hasAnchor && offset !== undefined && { anchorTime: offset + 100_000 }),
        count: found.length,
        first,
        last,
        messagesPerChannel,
      })
      if (result === 'complete') assert.equal(found.length, missed.length)
      if (hasAnchor) assert.equal(result, 'complete')
      assert.notEqual(result, 'new_epoch', 'limits alone make no new history')
    }),
    { numRuns: 2_000 },
  )
})
