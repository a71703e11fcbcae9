/** The chain of a channel delivers each publication once, in order, and notices what is missing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Chain } from '../chain.js'

test('a publication that follows what was seen is next, whatever holes the offsets have', () => {
  const chain = new Chain()
  assert.equal(chain.hasBegun, false)
  chain.begin(10, { offset: 7, time: 1, isEnd: false })
  assert.deepEqual([chain.seen, chain.offset], [10, 7])
  assert.equal(chain.judge(15, 7, 0, true), 'next')
  chain.advance({ offset: 15, time: 2, isEnd: false })
  assert.equal(chain.judge(99, 15, 0, true), 'next')
})

test('a previous offset beyond what was seen is a gap, a known one is not delivered again', () => {
  const chain = new Chain()
  chain.begin(10, undefined)
  assert.equal(chain.judge(15, 12, 0, true), 'gap')
  assert.equal(chain.judge(15, 10, 0, true), 'next')
  assert.equal(chain.judge(10, 5, 0, true), 'seen')
})

test('what was verified node-wide counts as seen, for the publication before', () => {
  const chain = new Chain()
  chain.begin(10, undefined)
  assert.equal(chain.judge(50, 40, 39, true), 'gap')
  assert.equal(chain.judge(50, 40, 40, true), 'next')
})

test('no older publication proves nothing once the verified offset is old', () => {
  const chain = new Chain()
  chain.begin(10, undefined)
  assert.equal(chain.judge(50, 0, 10, true), 'next')
  assert.equal(chain.judge(50, 0, 10, false), 'gap')
  assert.equal(chain.judge(50, 3, 10, false), 'next')
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
        const verdict = chain.judge(offset, offset - 1, 0, true)
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
