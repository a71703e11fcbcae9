/** The chain of a channel delivers each publication once, in order, and notices what is missing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Chain, type ChainBounds, type Followed } from '../chain.js'

function within(verified: number, keptUpTo = 1_000): ChainBounds {
  return { verified, youngMs: 1_000, keptUpTo }
}

function at(offset: number, previous: number, time = offset): Followed {
  return { offset, previous, time }
}

test('a publication that follows what was seen is next, whatever holes the offsets have', () => {
  const chain = new Chain()
  assert.equal(chain.hasBegun, false)
  chain.begin(10, { offset: 7, time: 1, isEnd: false })
  assert.deepEqual([chain.seen, chain.offset], [10, 7])
  assert.equal(chain.judge(at(15, 7), within(0)), 'next')
  chain.advance({ offset: 15, time: 2, isEnd: false })
  assert.equal(chain.judge(at(99, 15), within(0)), 'next')
})

test('a previous offset beyond what was seen is a gap, a known one is not delivered again', () => {
  const chain = new Chain()
  chain.begin(10, undefined)
  assert.equal(chain.judge(at(15, 12), within(0)), 'gap')
  assert.equal(chain.judge(at(15, 10), within(0)), 'next')
  assert.equal(chain.judge(at(10, 5), within(0)), 'seen')
})

test('what was verified node-wide counts as seen, for the publication before', () => {
  const chain = new Chain()
  chain.begin(10, undefined)
  assert.equal(chain.judge(at(50, 40), within(39)), 'gap')
  assert.equal(chain.judge(at(50, 40), within(40)), 'next')
})

test('no older publication proves nothing where limits may have removed one since', () => {
  const chain = new Chain()
  chain.begin(10, undefined)
  assert.equal(chain.judge(at(50, 0), within(10)), 'next')
  assert.equal(chain.judge(at(50, 0), within(10, 49)), 'gap')
  assert.equal(chain.judge(at(50, 3), within(10, 49)), 'next')
})

test('that nothing older was kept, where one was known, is believed if it may have aged', () => {
  const chain = new Chain()
  chain.begin(10, { offset: 7, time: 5_000, isEnd: false })
  assert.equal(chain.judge(at(50, 0, 5_999), within(10)), 'gap')
  assert.equal(chain.judge(at(50, 0, 6_000), within(10)), 'next')
  assert.equal(chain.judge(at(50, 7, 5_999), within(10)), 'next')
})

test('of any arrivals the next ones are in order, each once, none is passed over unsaid', () => {
  const arrivals = fc.array(fc.nat(30), { maxLength: 60 })
  fc.assert(
    fc.property(arrivals, fc.nat(5), (order, base) => {
      const chain = new Chain()
      chain.begin(base, undefined)
      const delivered: number[] = []
      for (const offset of order) {
        if (offset === 0) continue
        const verdict = chain.judge(at(offset, offset - 1), within(0))
        const isNext = offset === (delivered.at(-1) ?? base) + 1
        assert.equal(verdict, isNext ? 'next' : offset <= chain.seen ? 'seen' : 'gap')
        if (verdict !== 'next') continue
        delivered.push(offset)
        chain.advance({ offset, time: offset, isEnd: false })
      }
      assert.deepEqual(
        delivered,
        delivered.map((_, at) => base + 1 + at),
      )
    }),
  )
})
