/** jose is the oracle: over generated tokens, good and bad, our verdict is its jwtVerify's. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  createLocalJWKSet,
  errors,
  jwtVerify,
  type JSONWebKeySet,
  type JWTVerifyOptions,
} from 'jose'
import type { Verdict } from '../authenticator.js'
import { algorithms, isSymmetric } from '../jws-algorithm.js'
import { parseJwks } from '../jwks.js'
import { KeySet } from '../key-set.js'
import { TokenAuthenticator } from '../token-authenticator.js'
import { FakeClock } from './fake-clock.js'
import { generatedTokens, nowSeconds, type Rules } from './generated-tokens.js'
import { importTestKey, jwkOf, makeEveryKey, makeRsaKey, makeSecretKey } from './test-keys.js'

type Outcome = 'accepted' | 'token_expired' | 'token_invalid'

/** 400 ms into the second: jose rounds down. */
const clock = new FakeClock(nowSeconds * 1000 + 400)

const keys = [...makeEveryKey(), makeSecretKey('another-secret-that-is-in-force-during-rotation')]

/** Rules that jose knows nothing of are out of the way. */
function authenticatorOf(keySet: KeySet, rules: Rules): TokenAuthenticator {
  return new TokenAuthenticator(keySet, {
    ...rules,
    clockToleranceSeconds: rules.clockTolerance,
    tokenLifetimeSecondsMax: Infinity,
    clock,
  })
}

function outcomeOf(verdict: Verdict): Outcome {
  if (verdict.ok) return 'accepted'
  // An empty token is a missing one for us, a bad one for jose.
  if (verdict.code === 'token_missing') return 'token_invalid'
  assert.ok(verdict.code === 'token_expired' || verdict.code === 'token_invalid', verdict.code)
  return verdict.code
}

function optionsOf(rules: Rules): JWTVerifyOptions {
  return { ...rules, requiredClaims: ['exp'], currentDate: new Date(clock.now()) }
}

async function askJose(verify: () => Promise<unknown>): Promise<Outcome> {
  try {
    await verify()
    return 'accepted'
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) throw error
    return error instanceof errors.JWTExpired ? 'token_expired' : 'token_invalid'
  }
}

/** The first key that says anything but no. */
async function askEach(asked: Iterable<() => Promise<unknown>>): Promise<Outcome> {
  for (const verify of asked) {
    const outcome = await askJose(verify)
    if (outcome !== 'token_invalid') return outcome
  }
  return 'token_invalid'
}

/** A run in which hardly anything is accepted would prove nothing. */
class Tally {
  readonly #counts = new Map<string, number>()

  count(what: string): void {
    this.#counts.set(what, this.get(what) + 1)
  }

  get(what: string): number {
    return this.#counts.get(what) ?? 0
  }
}

test('for every algorithm the verdict on a token is that of jose (PROTOCOL 3.2)', async (t) => {
  const imported = await Promise.all(keys.map(importTestKey))
  const rings = keys.map((key, at) => ({ keys: [key], imported: imported.slice(at, at + 1) }))
  rings.push({ keys, imported })
  const tally = new Tally()
  await fc.assert(
    fc.asyncProperty(
      generatedTokens(keys),
      fc.boolean(),
      async ({ token, signing, rules }, isOneKeyKnown) => {
        const own = rings[keys.indexOf(signing.key)]
        const ring = isOneKeyKnown ? own : rings.at(-1)
        assert.ok(ring)
        const keySet = new KeySet()
        keySet.replace('test', { keys: ring.imported })
        const ours = outcomeOf(authenticatorOf(keySet, rules).authenticate(token))
        const theirs = await askEach(
          ring.keys.map((key) => () => {
            const options = { ...optionsOf(rules), algorithms: [...key.algorithms] }
            return jwtVerify(token, key.verificationKey, options)
          }),
        )
        assert.equal(ours, theirs)
        tally.count(`${signing.algorithm} ${ours}`)
      },
    ),
    { numRuns: 4_000 },
  )
  for (const algorithm of algorithms) {
    const accepted = tally.get(`${algorithm} accepted`)
    const expired = tally.get(`${algorithm} token_expired`)
    const invalid = tally.get(`${algorithm} token_invalid`)
    t.diagnostic(`${algorithm}: ${accepted} accepted, ${expired} expired, ${invalid} invalid`)
    assert.ok(accepted >= 20 && expired >= 2 && invalid >= 20, algorithm)
  }
})

test('a key set finds the key of a token just as jose does (PROTOCOL 3.2)', async (t) => {
  const [, rsa, p256, p384, ed] = keys
  assert.ok(rsa && p256 && p384 && ed)
  const second = makeRsaKey()
  const set = {
    keys: [
      jwkOf(rsa, { kid: 'any-rsa' }),
      jwkOf(second, { kid: 'pss', alg: 'PS256', use: 'sig' }),
      jwkOf(p256, { kid: 'ec', alg: 'ES256', key_ops: ['verify'] }),
      jwkOf(p384, { kid: 'ec' }),
      jwkOf(ed),
      jwkOf(second, { kid: 'for-encryption', use: 'enc' }),
      jwkOf(rsa, { kid: 'unknown-algorithm', alg: 'RS384' }),
    ],
  }
  const signers = [rsa, second, p256, p384, ed]
  const kids = ['any-rsa', 'pss', 'ec', 'for-encryption', 'unknown-algorithm', 'nowhere', 7, null]
  const keySet = new KeySet()
  keySet.replace('test', await parseJwks(JSON.stringify(set)))
  const local = createLocalJWKSet(set as JSONWebKeySet)
  const tally = new Tally()
  await fc.assert(
    fc.asyncProperty(generatedTokens(signers, kids), async ({ token, rules }) => {
      const ours = outcomeOf(authenticatorOf(keySet, rules).authenticate(token))
      const options = {
        ...optionsOf(rules),
        algorithms: algorithms.filter((algorithm) => !isSymmetric(algorithm)),
      }
      let theirs: Outcome
      try {
        theirs = await askJose(() => jwtVerify(token, local, options))
      } catch (error) {
        assert.ok(error instanceof errors.JWKSMultipleMatchingKeys)
        const candidates: (() => Promise<unknown>)[] = []
        for await (const key of error) candidates.push(() => jwtVerify(token, key, options))
        theirs = await askEach(candidates)
        tally.count('several keys')
      }
      assert.equal(ours, theirs)
      tally.count(ours)
    }),
    { numRuns: 1_200 },
  )
  t.diagnostic(`${tally.get('accepted')} accepted, ${tally.get('several keys')} with several keys`)
  assert.ok(tally.get('accepted') >= 30 && tally.get('several keys') >= 10)
})
