/** The settings that give keys, what stops the start, and the tokens minted for development. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  AuthenticationError,
  createAuthentication,
  type AuthenticationSettings,
} from '../authentication.js'
import type { Authenticator } from '../authenticator.js'
import { mintToken } from '../mint-token.js'
import { FakeClock } from './fake-clock.js'
import { makeEcKey, makeEdKey, pemOf, signToken } from './test-keys.js'
import { mint, testSecret } from './tokens.js'

const clock = new FakeClock()
const exp = Math.floor(clock.now() / 1000) + 60

async function authenticatorFrom(
  settings: Partial<AuthenticationSettings>,
): Promise<Authenticator> {
  const { authenticator, close } = await createAuthentication(
    { clockToleranceSeconds: 5, tokenLifetimeSecondsMax: 3600, ...settings },
    clock,
    () => undefined,
  )
  close()
  return authenticator
}

async function faultsOf(settings: Partial<AuthenticationSettings>): Promise<readonly string[]> {
  try {
    await authenticatorFrom(settings)
  } catch (error) {
    assert.ok(error instanceof AuthenticationError)
    return error.faults
  }
  return []
}

test('without any key the gateway does not start, and says which settings give one', async () => {
  const [fault, ...others] = await faultsOf({ jwtSecrets: [], jwtPublicKeyFiles: [] })
  assert.deepEqual(others, [])
  for (const name of ['JWT_SECRET', 'JWT_PUBLIC_KEY_FILES', 'JWKS_FILE', 'JWKS_URL']) {
    assert.ok(fault?.includes(`TIDEGATE_${name}`), name)
  }
})

test('all faults of the keys are told at once, and no secret is in them', async () => {
  const weak = 'weak-secret'
  const faults = await faultsOf({
    jwtSecrets: [testSecret, weak],
    jwtPublicKeyFiles: ['/nowhere/key.pem'],
    jwksFile: '/nowhere/jwks.json',
    jwksUrl: 'ftp://issuer.example/keys',
  })
  assert.equal(faults.length, 4)
  assert.match(faults[0] ?? '', /TIDEGATE_JWT_SECRET, secret 2 of 2: .*11 bytes is too short/)
  assert.match(faults[1] ?? '', /TIDEGATE_JWT_PUBLIC_KEY_FILES, \/nowhere\/key.pem: ENOENT/)
  assert.match(faults[2] ?? '', /TIDEGATE_JWKS_FILE, \/nowhere\/jwks.json: ENOENT/)
  assert.match(faults[3] ?? '', /TIDEGATE_JWKS_URL/)
  assert.ok(!faults.join().includes(weak) && !faults.join().includes(testSecret))
})

test('more keys than a token is tried with stop the start', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'tidegate-pem-'))
  t.after(() => rm(directory, { recursive: true }))
  const paths = Array.from({ length: 9 }, (_, at) => join(directory, `${String(at)}.pem`))
  for (const path of paths) await writeFile(path, pemOf(makeEdKey()))
  const jwtSecrets = paths.map((_, at) => `${testSecret}-${String(at)}`)
  const faults = await faultsOf({ jwtSecrets, jwtPublicKeyFiles: paths })
  assert.equal(faults.length, 2)
  assert.match(faults[0] ?? '', /TIDEGATE_JWT_SECRET: .*more than 8 secrets/)
  assert.match(faults[1] ?? '', /TIDEGATE_JWT_PUBLIC_KEY_FILES: more than 8 keys/)
  const most = { jwtSecrets: jwtSecrets.slice(1), jwtPublicKeyFiles: paths.slice(1) }
  assert.deepEqual(await faultsOf(most), [])
  // Of different algorithms there may be more in all.
  await writeFile(paths[0] ?? '', pemOf(makeEcKey('P-256')))
  assert.deepEqual(await faultsOf({ jwtPublicKeyFiles: paths }), [])
})

test('several PEM files and several secrets are in force together (PROTOCOL 3.2)', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'tidegate-pem-'))
  t.after(() => rm(directory, { recursive: true }))
  const keys = [makeEdKey(), makeEdKey(), makeEcKey('P-384')]
  const paths = keys.map((_, at) => join(directory, `${String(at)}.pem`))
  for (const [at, key] of keys.entries()) await writeFile(paths[at] ?? '', pemOf(key))
  const second = `${testSecret}-2`
  const authenticator = await authenticatorFrom({
    jwtSecrets: [testSecret, second],
    jwtPublicKeyFiles: paths,
  })
  for (const key of keys) {
    const [algorithm] = key.algorithms
    assert.ok(algorithm)
    assert.ok(authenticator.authenticate(signToken({ exp }, { key, algorithm })).ok)
  }
  assert.ok(authenticator.authenticate(mint({ exp }, testSecret)).ok)
  assert.ok(authenticator.authenticate(mint({ exp }, second)).ok)
})

test('the settings for audience, issuer and lifetime are in force (PROTOCOL 3.3)', async () => {
  const strict = await authenticatorFrom({
    jwtSecrets: [testSecret],
    jwtAudience: 'a',
    jwtIssuer: 'i',
    tokenLifetimeSecondsMax: 60,
  })
  assert.ok(strict.authenticate(mint({ exp, aud: 'a', iss: 'i' })).ok)
  assert.ok(!strict.authenticate(mint({ exp, aud: 'b', iss: 'i' })).ok)
  assert.ok(!strict.authenticate(mint({ exp, aud: 'a', iss: 'b' })).ok)
  assert.ok(!strict.authenticate(mint({ exp: exp + 60, aud: 'a', iss: 'i' })).ok)
})

test('a minted token is accepted with what it was minted for (PROTOCOL 3.4)', async () => {
  const settings = { jwtSecrets: [testSecret], jwtAudience: 'a', jwtIssuer: 'i' }
  const token = await mintToken({
    secret: ` ${testSecret} ${testSecret}-2\n`,
    sub: 'u1',
    channels: ['user.u1'],
    subscribe: ['orders.*'],
    publish: ['chat.>'],
    ttlSeconds: 600,
    audience: 'a',
    issuer: 'i',
  })
  const verdict = (await authenticatorFrom(settings)).authenticate(token)
  assert.ok(verdict.ok)
  assert.equal(verdict.identity.subject, 'u1')
  assert.deepEqual(verdict.identity.permissions.channels, ['user.u1'])
  const aheadMs = verdict.identity.expiresAt - clock.now()
  assert.ok(aheadMs > 590_000 && aheadMs < 660_000, String(aheadMs))
})

test('a token is minted without the claims that were not asked for', async () => {
  const token = await mintToken({ secret: testSecret, ttlSeconds: 60 })
  const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
  assert.deepEqual(Object.keys(claims as object).sort(), ['exp', 'iat'])
})

test('no token is minted with a secret that no gateway would take', async () => {
  await assert.rejects(mintToken({ secret: 'short', ttlSeconds: 60 }), /32 bytes or more, not 5/)
})
