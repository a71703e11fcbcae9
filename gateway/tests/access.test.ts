/** What may be subscribed and published: grammar, then permission, then namespace. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Namespaces } from '../../hub/namespaces.js'
import { publishAccess, subscribeAccess } from '../access.js'
import { Permissions, type Identity } from '../identity.js'
import type { Channel } from '../../shared/channel.js'
import type { Pattern } from '../../shared/pattern.js'

const namespaces: Namespaces = new Map([
  ['default', { history: undefined, patterns: true }],
  ['stocks', { history: undefined, patterns: true }],
  ['chat', { history: undefined, patterns: false }],
])

function identity(
  subscribe: readonly string[],
  publish: readonly string[] = [],
  channels: readonly string[] = [],
): Identity {
  const claimed = channels as readonly (Channel | Pattern)[]
  const permissions = new Permissions(claimed, subscribe, publish)
  return { subject: undefined, expiresAt: 0, permissions }
}

function subscribeCode(name: string, who: Identity): string {
  const access = subscribeAccess(name, who, namespaces)
  return access.ok ? 'ok' : access.code
}

function publishCode(name: string, who: Identity): string {
  const access = publishAccess(name, who, namespaces)
  return access.ok ? 'ok' : access.code
}

test('nothing is permitted that is not listed (PROTOCOL 2.5, 3.4)', () => {
  assert.equal(subscribeCode('news', identity([], ['>'])), 'forbidden')
  assert.equal(publishCode('news', identity(['>'], [], ['news'])), 'forbidden')
  assert.equal(subscribeCode('news', identity([], [], ['news'])), 'ok')
  assert.equal(subscribeCode('stocks.A', identity([], [], ['stocks.*'])), 'forbidden')
})

test('one permission must cover the whole name (PROTOCOL 2.5)', () => {
  const who = identity(['stocks.*', '*.open', 'default', 'stocks.A.>'])
  const cases: Readonly<Record<string, string>> = {
    'stocks.A': 'ok',
    'stocks.*': 'ok',
    'stocks.>': 'forbidden',
    'stocks.A.B': 'ok',
    'stocks.A.>': 'ok',
    'stocks.*.B': 'forbidden',
    stocks: 'forbidden',
    'chat.open': 'ok',
    'chat.*': 'forbidden',
    default: 'ok',
  }
  for (const [name, code] of Object.entries(cases)) {
    assert.equal(subscribeCode(name, who), code, name)
  }
})

test('a namespace is known by the first token, and must be configured (PROTOCOL 2.2)', () => {
  const who = identity(['>'], ['>'])
  for (const name of ['elsewhere.a', 'elsewhere.*', 'default2.a', '__proto__.a', 'toString.a']) {
    assert.equal(subscribeCode(name, who), 'unknown_namespace', name)
  }
  assert.equal(publishCode('elsewhere.a', who), 'unknown_namespace')
  // A single token is in the default namespace, whatever it is called.
  for (const name of ['elsewhere', 'stocks', '__proto__', 'default.a']) {
    assert.equal(subscribeCode(name, who), 'ok', name)
    assert.equal(publishCode(name, who), 'ok', name)
  }
  assert.equal(subscribeAccess('news', who, new Map()).ok, false)
})

test('a pattern needs a namespace that allows it, and is never published (PROTOCOL 2.4)', () => {
  const who = identity(['>'], ['>'])
  assert.equal(subscribeCode('stocks.*', who), 'ok')
  assert.equal(subscribeCode('chat.*', who), 'forbidden')
  assert.equal(publishCode('stocks.*', who), 'bad_request')
  assert.equal(publishCode('stocks.>', who), 'bad_request')
})

test('who has no permission does not learn which namespaces there are (PROTOCOL 2.2, 2.5)', () => {
  const who = identity(['stocks.A'])
  for (const name of ['chat.a', 'elsewhere.a', 'chat.*', 'elsewhere.>']) {
    const access = subscribeAccess(name, who, namespaces)
    assert.ok(!access.ok)
    assert.equal(access.code, 'forbidden')
    assert.equal(access.message, `The token does not allow subscribing to "${name}".`)
  }
  assert.equal(publishCode('chat.a', who), publishCode('elsewhere.a', who))
})

test('a refusal shows at most 60 characters of a bad name, on one line (PROTOCOL 4.5)', () => {
  const who = identity(['>'], ['>'])
  for (const name of ['', ' ', 'a\nb', `${'x'.repeat(200)}`, '"\u2028'.repeat(100), '\0']) {
    for (const access of [
      subscribeAccess(name, who, namespaces),
      publishAccess(name, who, namespaces),
    ]) {
      assert.ok(!access.ok)
      assert.equal(access.code, 'bad_request')
      assert.doesNotMatch(access.message, /[\n\r\0]/)
      assert.ok(!access.message.includes('x'.repeat(61)))
    }
  }
})
