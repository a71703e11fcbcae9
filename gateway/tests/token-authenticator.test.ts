/** What a token must be to be accepted, beyond and beside what jose checks. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Identity } from '../identity.js'
import type { TokenRefusal, Verdict } from '../authenticator.js'
import { isChannel, type Channel } from '../../shared/channel.js'
import { KeySet, keysTriedMax } from '../key-set.js'
import { importPem, importSecret } from '../keys.js'
import { sharedPermissionsMax } from '../token-identity.js'
import { TokenAuthenticator, type TokenRules } from '../token-authenticator.js'
import { FakeClock } from './fake-clock.js'
import { generatedTokens } from './generated-tokens.js'
import { makeEveryKey, makeRsaKey, pemOf, signToken } from './test-keys.js'
import { encodeSegment, mint, signHmac, testSecret } from './tokens.js'

const now = 1_800_000_000
/** 400 ms into the second. */
const clock = new FakeClock(now * 1000 + 400)

function authenticatorWith(
  rules: Partial<TokenRules> = {},
  secrets: readonly string[] = [testSecret],
): TokenAuthenticator {
  const keys = new KeySet()
  keys.replace('test', { keys: secrets.map(importSecret) })
  return new TokenAuthenticator(keys, {
    clockToleranceSeconds: 5,
    tokenLifetimeSecondsMax: 3600,
    clock,
    ...rules,
  })
}

const authenticator = authenticatorWith()

function judge(claims: object, rules: Partial<TokenRules> = {}): Verdict {
  return authenticatorWith(rules).authenticate(mint({ exp: now + 60, ...claims }))
}

function accepted(verdict: Verdict): Identity {
  assert.ok(verdict.ok, verdict.ok ? '' : verdict.message)
  return verdict.identity
}

function refused(verdict: Verdict, code: TokenRefusal, sentence: RegExp): void {
  assert.ok(!verdict.ok, 'the token was accepted')
  assert.equal(verdict.code, code)
  assert.match(verdict.message, sentence)
}

function channel(name: string): Channel {
  assert.ok(isChannel(name))
  return name
}

test('a token says who a client is, until when, and what it may do (PROTOCOL 3.4)', () => {
  const claims = {
    sub: 'u1',
    exp: now + 60,
    channels: ['user.u1', 'stocks.*', 'user.u1'],
    subscribe: ['orders.*', '>'],
    publish: ['chat.7'],
  }
  const identity = accepted(judge(claims))
  assert.equal(identity.subject, 'u1')
  assert.equal(identity.expiresAt, (now + 60) * 1000)
  assert.deepEqual(identity.permissions.channels, ['user.u1', 'stocks.*'])
  assert.ok(identity.permissions.maySubscribe(channel('anything.at.all')))
  assert.ok(identity.permissions.mayPublish(channel('chat.7')))
  assert.ok(!identity.permissions.mayPublish(channel('chat.8')))
})

test('a token that lists nothing allows nothing (PROTOCOL 3.4)', () => {
  const { subject, permissions } = accepted(judge({}))
  assert.equal(subject, undefined)
  assert.deepEqual(permissions.channels, [])
  assert.ok(!permissions.maySubscribe(channel('a')))
  assert.ok(!permissions.mayPublish(channel('a')))
})

test('no token, or an empty one, is token_missing (PROTOCOL 3.5)', () => {
  refused(authenticator.authenticate(undefined), 'token_missing', /token is needed/)
  refused(authenticator.authenticate(''), 'token_missing', /token is needed/)
})

test('exp is required, and passes with the tolerance (PROTOCOL 3.3)', () => {
  refused(judge({ exp: undefined }), 'token_invalid', /"exp"/)
  accepted(judge({ exp: now - 4 }))
  refused(judge({ exp: now - 5 }), 'token_expired', /expired/)
  // Of the time of day only whole seconds count: 0.3 s into a second is not yet over at 0.4.
  accepted(judge({ exp: now + 0.3 }, { clockToleranceSeconds: 0 }))
})

test('a lifetime longer than allowed is refused (PROTOCOL 3.3)', () => {
  accepted(judge({ exp: now + 3605 }))
  refused(judge({ exp: now + 3606 }), 'token_invalid', /"exp".* 3600 seconds/)
  accepted(judge({ exp: now + 600 }, { tokenLifetimeSecondsMax: 600 }))
  const endless = `${encodeSegment('{"alg":"HS256"}')}.${encodeSegment('{"exp":1e999}')}`
  refused(authenticator.authenticate(`${endless}.${signHmac(endless)}`), 'token_invalid', /"exp"/)
})

test('a token not valid yet, or issued in the future, is refused (PROTOCOL 3.3)', () => {
  accepted(judge({ nbf: now + 5, iat: now + 5 }))
  refused(judge({ nbf: now + 6 }), 'token_invalid', /"nbf"/)
  refused(judge({ iat: now + 6 }), 'token_invalid', /"iat"/)
})

test('iss and aud must fit where they are configured (PROTOCOL 3.3)', () => {
  const rules = { audience: 'tidegate', issuer: 'https://issuer.example' }
  const iss = 'https://issuer.example'
  accepted(judge({ iss, aud: 'tidegate' }, rules))
  accepted(judge({ iss, aud: ['x', 'tidegate'] }, rules))
  accepted(judge({ iss: 'anybody', aud: 'anything' }))
  for (const aud of [undefined, null, 'x', '', [], ['x'], 7, {}, { tidegate: 'tidegate' }]) {
    refused(judge({ iss, aud }, rules), 'token_invalid', /"aud"/)
  }
  for (const issuer of [undefined, null, 'https://issuer.example/', [iss], 7, {}]) {
    refused(judge({ iss: issuer, aud: 'tidegate' }, rules), 'token_invalid', /"iss"/)
  }
})

test('a token over 8 KB is refused before it is parsed (PROTOCOL 3.3)', () => {
  const small = mint({ exp: now + 60, padding: '' })
  const padding = 'x'.repeat(Math.floor(((8192 - small.length) * 3) / 4) - 3)
  accepted(authenticator.authenticate(mint({ exp: now + 60, padding })))
  refused(judge({ padding: `${padding}12345678` }), 'token_invalid', /longer than 8192 bytes/)
  refused(authenticator.authenticate('é'.repeat(8193)), 'token_invalid', /longer than 8192 bytes/)
  refused(judge({}, { tokenBytesMax: 20 }), 'token_invalid', /longer than 20 bytes/)
})

test('a token with alg none is refused, with a signature and without (PROTOCOL 3.2)', () => {
  const unsigned = 'eyJhbGciOiJub25lIn0.eyJleHAiOjE4MDAwMDAwNjB9'
  for (const token of [`${unsigned}.`, `${unsigned}.${signHmac(unsigned)}`]) {
    refused(authenticator.authenticate(token), 'token_invalid', /algorithm that is refused/)
  }
  refused(authenticator.authenticate(unsigned), 'token_invalid', /three/)
})

test('a public RSA key is never taken for an HMAC secret (PROTOCOL 3.2)', async () => {
  const rsa = makeRsaKey()
  const keys = new KeySet()
  keys.replace('test', { keys: [await importPem(pemOf(rsa)), importSecret(testSecret)] })
  const rules = { clockToleranceSeconds: 5, tokenLifetimeSecondsMax: 3600, clock }
  const both = new TokenAuthenticator(keys, rules)
  accepted(both.authenticate(signToken({ exp: now + 60 }, { key: rsa, algorithm: 'RS256' })))
  for (const secret of [pemOf(rsa), pemOf(rsa).trim()]) {
    const forged = mint({ exp: now + 60 }, secret)
    refused(both.authenticate(forged), 'token_invalid', /not signed by a key that is trusted/)
  }
})

test('a kid that no key has is token_invalid where keys cannot be fetched (PROTOCOL 3.6)', () => {
  const keys = new KeySet()
  keys.replace('test', { keys: [], kids: new Set() })
  const rules = { clockToleranceSeconds: 5, tokenLifetimeSecondsMax: 3600, clock }
  const token = mint({ exp: now + 60 }, testSecret, { alg: 'HS256', kid: 'nobody' })
  refused(new TokenAuthenticator(keys, rules).authenticate(token), 'token_invalid', /trusted/)
})

test('a secret verifies whatever kid says, as it has no name of its own (PROTOCOL 3.2)', () => {
  for (const kid of ['any', 7, null]) {
    const token = mint({ exp: now + 60 }, testSecret, { alg: 'HS256', kid })
    accepted(authenticator.authenticate(token))
  }
})

test('during a rotation tokens of the old and new secret are accepted (PROTOCOL 3.2)', () => {
  const second = 'another-secret-of-32-bytes-or-more'
  const both = authenticatorWith({}, [testSecret, second])
  accepted(both.authenticate(mint({ exp: now + 60 }, testSecret)))
  accepted(both.authenticate(mint({ exp: now + 60 }, second)))
  const third = mint({ exp: now + 60 }, 'a-secret-that-is-not-in-force-any-more')
  refused(both.authenticate(third), 'token_invalid', /trusted/)
})

test('a token without kid is tried with a bounded number of keys (PROTOCOL 3.2)', () => {
  const secrets = Array.from({ length: keysTriedMax + 1 }, (_, at) => `${testSecret}-${at}`)
  const many = authenticatorWith({}, secrets)
  accepted(many.authenticate(mint({ exp: now + 60 }, secrets[keysTriedMax - 1])))
  const beyond = mint({ exp: now + 60 }, secrets[keysTriedMax])
  refused(many.authenticate(beyond), 'token_invalid', /trusted/)
})

test('bad base64url and wrong shapes are token_invalid (PROTOCOL 3.2)', () => {
  const [header = '', payload = '', signature = ''] = mint({ exp: now + 60 }).split('.')
  const bad: readonly (readonly [string, RegExp])[] = [
    ['x', /three/],
    ['..', /header/],
    [`${header}.${payload}`, /three/],
    [`${header}.${payload}.${signature}.`, /three/],
    [`${header}*.${payload}.${signature}`, /header/],
    [`${header}.${payload}*.${signature}`, /trusted/],
    [`${header}.${payload}.${signature}*`, /base64url/],
    [`${header}.${payload}.${signature.replace(/.$/, '\u0141')}`, /base64url/],
    [`${header}.${payload}.`, /trusted/],
    [`${payload}.${header}.${signature}`, /refused/],
  ]
  for (const [token, sentence] of bad) {
    refused(authenticator.authenticate(token), 'token_invalid', sentence)
  }
})

test('a payload that is not a JSON object is token_invalid, however deep (PROTOCOL 3.4)', () => {
  const payloads = ['null', '[]', '7', '"x"', '', '{', '\xff', '['.repeat(5000)]
  for (const payload of [...payloads, `${'['.repeat(2900)}${']'.repeat(2900)}`]) {
    const input = `${encodeSegment('{"alg":"HS256"}')}.${encodeSegment(payload)}`
    const verdict = authenticator.authenticate(`${input}.${signHmac(input)}`)
    refused(verdict, 'token_invalid', /payload/)
  }
  const nested = `${'['.repeat(2000)}${']'.repeat(2000)}`
  for (const claim of ['sub', 'channels', 'subscribe', 'publish']) {
    const payload = `{"exp":${now + 60},"${claim}":[${nested}]}`
    const input = `${encodeSegment('{"alg":"HS256"}')}.${encodeSegment(payload)}`
    const verdict = authenticator.authenticate(`${input}.${signHmac(input)}`)
    refused(verdict, 'token_invalid', new RegExp(`"${claim}"`))
  }
})

test('a claim named __proto__ changes nothing (PROTOCOL 3.4)', () => {
  const payload = `{"exp":${now + 60},"__proto__":{"sub":"root","subscribe":[">"]}}`
  const input = `${encodeSegment('{"alg":"HS256"}')}.${encodeSegment(payload)}`
  const identity = accepted(authenticator.authenticate(`${input}.${signHmac(input)}`))
  assert.equal(identity.subject, undefined)
  assert.ok(!identity.permissions.maySubscribe(channel('a')))
})

test('a claim of another type is refused with its name (PROTOCOL 3.4)', () => {
  for (const claim of ['exp', 'nbf', 'iat']) {
    for (const value of [null, true, String(now), [now], {}]) {
      refused(judge({ [claim]: value }), 'token_invalid', new RegExp(`"${claim}"`))
    }
  }
  for (const claim of ['channels', 'subscribe', 'publish']) {
    for (const value of [null, true, 'a', 7, {}, [7], [null], [['a']], ['a', {}]]) {
      refused(judge({ [claim]: value }), 'token_invalid', new RegExp(`"${claim}"`))
    }
  }
  for (const value of [null, true, 7, ['u1'], {}]) {
    refused(judge({ sub: value }), 'token_invalid', /"sub"/)
  }
})

test('sub is printable and fits into a header: it becomes the sender (PROTOCOL 3.4)', () => {
  for (const sub of ['u', 'auth0|5f7c', 'Jörg Müller', '用户', '👩‍👩‍👧', 'x'.repeat(256)]) {
    assert.equal(accepted(judge({ sub })).subject, sub)
  }
  const controls = ['a\r\nb', 'a\nb', '\0', 'a\tb', '\x7f', 'a\x85b', 'a\u2028b']
  const spaces = ['', ' ', ' a', 'a ', '\u00a0a', '\ufeffa']
  for (const sub of [...controls, ...spaces, '\ud800', 'a\udc00', 'x'.repeat(257)]) {
    refused(judge({ sub }), 'token_invalid', /"sub"/)
  }
})

test('permissions hold channels and patterns only, at most 256 of each (PROTOCOL 3.4)', () => {
  const bad = ['', 'a b', 'a..b', '.a', 'a.', 'a.>.b', 'a*', 'x'.repeat(161), 'ä']
  const tooDeep = Array.from({ length: 17 }, () => 'a').join('.')
  const most = Array.from({ length: 256 }, (_, at) => `a.${at}`)
  for (const claim of ['channels', 'subscribe', 'publish']) {
    for (const entry of [...bad, tooDeep]) {
      refused(judge({ [claim]: ['a', entry] }), 'token_invalid', new RegExp(`"${claim}"`))
    }
    accepted(judge({ [claim]: most }))
    refused(judge({ [claim]: [...most, 'b'] }), 'token_invalid', new RegExp(`"${claim}"`))
    accepted(judge({ [claim]: ['a.*', 'a.>', 'a.*.b'] }))
  }
  // The first token of a permission may be a wildcard; what is subscribed must name a namespace.
  accepted(judge({ subscribe: ['>', '*.b'], publish: ['>', '*'] }))
  refused(judge({ channels: ['>'] }), 'token_invalid', /"channels"/)
})

test('tokens with equal permissions share one object, for a bounded number of them', () => {
  const own = authenticatorWith()
  const read = (entry: string): unknown =>
    accepted(own.authenticate(mint({ exp: now + 60, subscribe: [entry] }))).permissions
  const first = read('a.0')
  assert.equal(read('a.0'), first)
  assert.notEqual(read('a.1'), first)
  for (let at = 2; at < sharedPermissionsMax; at += 1) read(`a.${at}`)
  assert.equal(read('a.0'), first)
  read('one.more')
  assert.notEqual(read('a.0'), first)
})

test('lists that only look alike when joined do not share permissions (PROTOCOL 3.4)', () => {
  const own = authenticatorWith()
  const judgeList = (subscribe: unknown): Verdict =>
    own.authenticate(mint({ exp: now + 60, subscribe }))
  accepted(judgeList(['a', 'b']))
  for (const lookalike of [['a,b'], ['a","b'], 'a,b', [['a', 'b']]]) {
    refused(judgeList(lookalike), 'token_invalid', /"subscribe"/)
  }
})

test('whatever is sent as a token gets a verdict, never an exception (PROTOCOL 3.2)', () => {
  const segment = fc.oneof(fc.string(), fc.base64String(), fc.json().map(encodeSegment))
  const anything = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.tuple(segment, segment, segment).map((segments) => segments.join('.')),
  )
  fc.assert(
    fc.property(anything, (token) => {
      const verdict = authenticator.authenticate(token)
      assert.ok(!verdict.ok && verdict.message.length > 0)
    }),
    { numRuns: 1_000 },
  )
})

test('no sentence of a refusal contains a part of the token (PROTOCOL 3.11)', async () => {
  const sentences = new Set<string>()
  const marked = 'MARKED-VALUE'
  const claims = { sub: marked, iss: marked, aud: marked, channels: [marked], note: marked }
  const rules = { audience: 'tidegate' }
  for (const claim of ['exp', 'nbf', 'iat', 'iss', 'aud', 'sub', 'channels', 'subscribe']) {
    for (const value of [`${marked}\n`, [`${marked} `], { [marked]: marked }, now + 9e9]) {
      for (const header of [{}, { kid: marked }, { crit: [marked] }, { alg: marked }]) {
        const complete = { exp: now + 60, ...claims, [claim]: value }
        const token = mint(complete, testSecret, { alg: 'HS256', ...header })
        for (const each of [judgeToken(token), judgeToken(token, rules)]) sentences.add(each)
      }
    }
  }
  await fc.assert(
    fc.asyncProperty(generatedTokens(makeEveryKey()), async ({ token }) => {
      sentences.add(judgeToken(token))
      return Promise.resolve()
    }),
    { numRuns: 500 },
  )
  for (const sentence of sentences) assert.ok(!sentence.includes(marked), sentence)
  // They are the same few, whatever the token: nothing of it can be in them.
  assert.ok(sentences.size > 10 && sentences.size < 25, [...sentences].join('\n'))
})

function judgeToken(token: string, rules: Partial<TokenRules> = {}): string {
  const verdict = authenticatorWith(rules).authenticate(token)
  return verdict.ok ? '' : verdict.message
}
