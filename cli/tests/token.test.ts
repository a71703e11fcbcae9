/** `tidegate token` mints what a gateway with the same settings accepts. */
import assert from 'node:assert/strict'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { jwtVerify } from 'jose'
import { parseSeconds } from '../duration.js'
import { testSecret, tidegate } from './spawned.js'

const key = Buffer.from(testSecret)

test('the token carries the claims of the options, and nothing else but its times', async (t) => {
  const args = ['token', '--sub', 'u1', '--subscribe', 'orders.*,chat.>', '--subscribe', 'news']
  const spawned = tidegate(t, [...args, '--channels', 'user.u1', '--publish', 'chat.lobby'], {
    TIDEGATE_JWT_SECRET: `${testSecret} another-secret-of-at-least-32-bytes`,
    TIDEGATE_JWT_AUDIENCE: 'tidegate',
    TIDEGATE_JWT_ISSUER: 'https://issuer.example',
  })
  assert.equal(await spawned.exit(), 0, spawned.stderr)
  assert.equal(spawned.stderr, '')
  const { payload } = await jwtVerify(spawned.stdout.trim(), key)
  const { iat = 0, exp = 0, ...claims } = payload
  assert.deepEqual(claims, {
    sub: 'u1',
    channels: ['user.u1'],
    subscribe: ['orders.*', 'chat.>', 'news'],
    publish: ['chat.lobby'],
    aud: 'tidegate',
    iss: 'https://issuer.example',
  })
  assert.equal(exp - iat, 600)
})

test('the lifetime is given by --ttl, and one over the default limit is pointed out', async (t) => {
  const env = { TIDEGATE_JWT_SECRET: testSecret }
  const spawned = tidegate(t, ['token', '--ttl', '2h'], env)
  assert.equal(await spawned.exit(), 0)
  const { payload } = await jwtVerify(spawned.stdout.trim(), key)
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 7200)
  assert.match(spawned.stderr, /3600 s/)
})

test('the secret can come from a file', async (t) => {
  const file = join(mkdtempSync(join(tmpdir(), 'tidegate-')), 'secret')
  writeFileSync(file, `${testSecret}\n`)
  const spawned = tidegate(t, ['token', '--secret-file', file])
  assert.equal(await spawned.exit(), 0, spawned.stderr)
  await jwtVerify(spawned.stdout.trim(), key)
})

test('without a secret, or with a short one, there is no token but a sentence', async (t) => {
  const without = tidegate(t, ['token'])
  assert.equal(await without.exit(), 1)
  assert.match(without.stderr, /TIDEGATE_JWT_SECRET/)
  const short = tidegate(t, ['token'], { TIDEGATE_JWT_SECRET: 'hush' })
  assert.equal(await short.exit(), 1)
  assert.match(short.stderr, /32 bytes/)
  assert.doesNotMatch(short.stderr + short.stdout, /hush/)
})

test('a name that no gateway would understand is refused', async (t) => {
  for (const args of [
    ['--subscribe', 'a b'],
    ['--publish', 'a..b'],
    ['--channels', '*.a'],
    ['--ttl', '10'],
  ]) {
    const spawned = tidegate(t, ['token', ...args], { TIDEGATE_JWT_SECRET: testSecret })
    assert.equal(await spawned.exit(), 2)
    assert.ok(spawned.stderr.startsWith(args.join(' ')), spawned.stderr)
  }
})

test('a subject that no gateway would take is refused', async (t) => {
  for (const sub of ['', ' u1', 'u\n1', 'u'.repeat(257)]) {
    const env = { TIDEGATE_JWT_SECRET: testSecret }
    const spawned = tidegate(t, ['token', '--sub', sub, '--publish', 'news'], env)
    assert.equal(await spawned.exit(), 2)
    assert.match(spawned.stderr, /^The claim "sub" must be /)
    assert.equal(spawned.stdout, '')
  }
})

test('a token that may do nothing is minted, and pointed out', async (t) => {
  const spawned = tidegate(t, ['token', '--sub', 'u1'], { TIDEGATE_JWT_SECRET: testSecret })
  assert.equal(await spawned.exit(), 0)
  assert.match(spawned.stderr, /may do nothing/)
  await jwtVerify(spawned.stdout.trim(), key)
})

test('durations are whole seconds, minutes and hours', () => {
  assert.deepEqual(['30s', '10m', '1h'].map(parseSeconds), [30, 600, 3600])
  for (const bad of ['', '10', 'm', '-1m', '0s', '1.5h', '1d', '1h30m', '99999999s']) {
    assert.equal(parseSeconds(bad), undefined, bad)
  }
})
