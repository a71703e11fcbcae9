/** The channel grammar. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isChannel, namespaceOf } from '../channel.js'

const tokens = (count: number): string => Array.from({ length: count }, () => 'a').join('.')

test('a channel is 1 to 16 tokens of letters, digits and _-:@ (PROTOCOL 2.1)', () => {
  const channels = ['a', 'orders.42', 'chat.room-7', 'user.u_19', 'A.b:c@d.9', tokens(16)]
  for (const channel of channels) assert.ok(isChannel(channel), channel)
})

test('what is no channel is refused (PROTOCOL 2.1)', () => {
  const others = ['', '.', '.a', 'a.', 'a..b', 'a b', 'a/b', 'ä', 'a\n', '\na', 'a\0', 'a,b']
  for (const other of others) assert.equal(isChannel(other), false, JSON.stringify(other))
})

test('a channel has no wildcard (PROTOCOL 2.1)', () => {
  for (const other of ['*', '>', 'a.*', 'a.>', 'a*']) assert.equal(isChannel(other), false, other)
})

test('a channel of 17 tokens is refused (PROTOCOL 2.1)', () => {
  assert.equal(isChannel(tokens(17)), false)
})

test('a channel of 161 characters is refused, one of 160 is not (PROTOCOL 2.1)', () => {
  assert.ok(isChannel('a'.repeat(160)))
  assert.equal(isChannel('a'.repeat(161)), false)
})

test('the first of several tokens is the namespace, one alone is in default (PROTOCOL 2.2)', () => {
  assert.equal(namespaceOf('orders.42.x'), 'orders')
  assert.equal(namespaceOf('orders.>'), 'orders')
  assert.equal(namespaceOf('orders'), 'default')
})
