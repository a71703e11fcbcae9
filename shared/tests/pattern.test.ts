/** Patterns mean what NATS means by them; `covers` is checked against matching one by one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isChannel } from '../channel.js'
import { covers, isPattern, isPermission } from '../pattern.js'

test('a pattern has a literal first token, * for one and a final > for more (PROTOCOL 2.3)', () => {
  for (const pattern of ['stocks.*', 'chat.>', 'chat.*.>', 'a.*.b', 'a.*.*']) {
    assert.ok(isPattern(pattern), pattern)
  }
  for (const other of [
    '',
    '*',
    '>',
    '*.a',
    'a*',
    'a.b*',
    'a.>.b',
    'a.>>',
    'a.**',
    'a..>',
    'a.> ',
  ]) {
    assert.equal(isPattern(other), false, other)
  }
})

test('a channel is not a pattern (PROTOCOL 2.3)', () => {
  assert.equal(isPattern('a.b'), false)
})

test('a pattern of 17 tokens or 161 characters is refused (PROTOCOL 2.3)', () => {
  assert.ok(isPattern(`${'a.'.repeat(15)}>`))
  assert.equal(isPattern(`${'a.'.repeat(16)}>`), false)
  assert.equal(isPattern(`${'a'.repeat(159)}.*`), false)
})

test('a permission may begin with a wildcard (PROTOCOL 2.5)', () => {
  for (const permission of ['>', '*', '*.a', '*.>', 'a', 'a.b', 'a.*']) {
    assert.ok(isPermission(permission), permission)
  }
  for (const other of ['', '>.a', 'a b', '.', 'a.', 'a.>.>']) {
    assert.equal(isPermission(other), false, other)
  }
})

test('a.* permits a.b and a.*, but not a.>, a or a.b.c (PROTOCOL 2.5)', () => {
  for (const name of ['a.b', 'a.*']) assert.ok(covers('a.*', name), name)
  for (const name of ['a.>', 'a', 'a.b.c', 'b.c', '*.b']) assert.ok(!covers('a.*', name), name)
})

/** NATS matching, written the other way round: as a regular expression. */
function matches(pattern: string, channel: string): boolean {
  const source = pattern
    .split('.')
    .map((token) => (token === '*' ? '[^.]+' : token === '>' ? '.+' : token))
    .join('\\.')
  return new RegExp(`^${source}$`).test(channel)
}

/** All channels of up to `depth` tokens. No pattern below contains the token `c`. */
function channelsUpTo(depth: number): string[] {
  let level = ['']
  const all: string[] = []
  for (let at = 0; at < depth; at += 1) {
    level = level.flatMap((head) =>
      ['a', 'b', 'c'].map((token) => (head ? `${head}.` : '') + token),
    )
    all.push(...level)
  }
  return all
}

// One token more than the longest pattern: enough to tell any two of them apart.
const channels = channelsUpTo(5)

const permission = fc
  .tuple(
    fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 4 }),
    fc.constantFrom('a', 'b', '*', '>'),
  )
  .map(([head, last]) => [...head.slice(0, 3), last].join('.'))

test('a name is permitted exactly if every channel that matches it is (PROTOCOL 2.5)', () => {
  fc.assert(
    fc.property(permission, permission, (granted, name) => {
      const matching = channels.filter((channel) => matches(name, channel))
      const isCovered = matching.every((channel) => matches(granted, channel))
      assert.equal(covers(granted, name), isCovered, `${granted} covers ${name}`)
    }),
    { numRuns: 1000 },
  )
})

test('for a channel, permission is plain NATS matching (PROTOCOL 2.5)', () => {
  fc.assert(
    fc.property(permission, fc.constantFrom(...channels), (granted, channel) => {
      assert.ok(isChannel(channel))
      assert.equal(covers(granted, channel), matches(granted, channel))
    }),
    { numRuns: 3000 },
  )
})
