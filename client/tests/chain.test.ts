/** The chain of a channel: duplicates and losses are seen, whatever the transport. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Chain } from '../chain.js'

test('PROTOCOL 5.10: what is not above the last offset is a duplicate', () => {
  const chain = new Chain()
  assert.equal(chain.add({ channel: 'a', offset: 5 }), true)
  for (const offset of [1, 5]) assert.equal(chain.check({ channel: 'a', offset }), 'duplicate')
  assert.equal(chain.add({ channel: 'a', offset: 4 }), false)
  assert.equal(chain.check({ channel: 'b', offset: 4 }), 'next')
  assert.equal(chain.check({ channel: 'a', offset: 9, previous: 5 }), 'next')
})

test('PROTOCOL 5.10: what follows something that has not come breaks the chain', () => {
  const chain = new Chain()
  chain.begin('a', 10)
  assert.equal(chain.check({ channel: 'a', offset: 14, previous: 12 }), 'broken')
  assert.equal(chain.add({ channel: 'a', offset: 14, previous: 12 }), false)
  assert.equal(chain.add({ channel: 'a', offset: 12, previous: 8 }), true)
  assert.equal(chain.add({ channel: 'a', offset: 14, previous: 12 }), true)
})

test('after a gap the chain begins anew, but nothing comes twice', () => {
  const chain = new Chain()
  chain.begin('a', 10)
  chain.gap({ type: 'gap', channel: 'a', reason: 'expired', after: 10, before: 40 })
  assert.equal(chain.check({ channel: 'a', offset: 39 }), 'duplicate')
  assert.equal(chain.add({ channel: 'a', offset: 45, previous: 43 }), true)
  assert.equal(chain.check({ channel: 'a', offset: 50, previous: 47 }), 'broken')
  chain.gap({ type: 'gap', channel: 'a', reason: 'new_epoch', epoch: '5f0c3a9be214', offset: 3 })
  assert.equal(chain.check({ channel: 'a', offset: 3 }), 'duplicate')
  assert.equal(chain.add({ channel: 'a', offset: 6, previous: 5 }), true)
})

test('ephemeral publications have no chain', () => {
  const chain = new Chain()
  for (let count = 0; count < 2; count++) assert.equal(chain.add({ channel: 'a' }), true)
})

test('by a pattern only duplicates are known, of a bounded number of channels', () => {
  const chain = new Chain()
  const of = (channel: string, offset: number, previous = 0) => {
    return { channel, pattern: 'n.*', offset, previous }
  }
  assert.equal(chain.add(of('n.a', 5)), true)
  assert.equal(chain.add(of('n.a', 9, 7)), true)
  assert.equal(chain.check(of('n.a', 9)), 'duplicate')
  assert.equal(chain.check({ channel: 'n.a', offset: 9 }), 'next')
  for (let other = 0; other < 1_000; other++) chain.add(of(`n.${other}`, 10))
  assert.equal(chain.check(of('n.a', 9)), 'next')
  assert.equal(chain.check(of('n.999', 10)), 'duplicate')
  const gap = { type: 'gap', channel: 'n.*', reason: 'new_epoch' } as const
  chain.gap({ ...gap, epoch: '5f0c3a9be214', offset: 0 })
  assert.equal(chain.check(of('n.999', 10)), 'next')
})

test('what is forgotten begins anew, by channel and by pattern', () => {
  const chain = new Chain()
  chain.begin('n.a', 7)
  chain.add({ channel: 'n.b', pattern: 'n.*', offset: 5 })
  chain.forget('n.a')
  chain.forget('n.*')
  assert.equal(chain.check({ channel: 'n.a', offset: 3 }), 'next')
  assert.equal(chain.check({ channel: 'n.b', pattern: 'n.*', offset: 5 }), 'next')
})
