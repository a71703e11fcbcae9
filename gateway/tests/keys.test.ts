/** Which keys the gateway takes, from secrets, PEM files and key sets, and what they may do. */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { isSymmetric } from '../jws-algorithm.js'
import { parseJwks } from '../jwks.js'
import { importPem, importSecret } from '../keys.js'
import {
  importTestKey,
  jwkOf,
  makeEcKey,
  makeEdKey,
  makeEveryKey,
  makeRsaKey,
  makeSecretKey,
  pemOf,
  type TestKey,
} from './test-keys.js'
import { testSecret } from './tokens.js'

const everyKey = makeEveryKey()
const certificate = `-----BEGIN CERTIFICATE-----
MIIBhzCCAS2gAwIBAgIUQ9PDawMfKHmUX+5PaR9x3yKAJlkwCgYIKoZIzj0EAwIw
GDEWMBQGA1UEAwwNdGlkZWdhdGUtdGVzdDAgFw0yNjExMjIwMzA1NDRaGA8yMTI2
MTAyOTAzMDU0NFowGDEWMBQGA1UEAwwNdGlkZWdhdGUtdGVzdDBZMBMGByqGSM49
AgEGCCqGSM49AwEHA0IABFkzgDwP3QDUcP/aHv0mCYhn1VWZiaIRp6B6CCtOtmGC
U+s9cVZ8PpnkYNBkcsL51M3QZnJyAUFko9soUJ2iw4mjUzBRMB0GA1UdDgQWBBQJ
TEP5tS0xGm3glKuqqwerEVGdpzAfBgNVHSMEGDAWgBQJTEP5tS0xGm3glKuqqwer
EVGdpzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIGTm6mx2ubMc
aKpz1OmS3yEDTXfF9l8c7w7H2fpCmfB3AiEAqFuUiyXIVkG291YNGYc784gJ7iV7
dufcxv6iGjCJHxY=
-----END CERTIFICATE-----
`

async function boundTo(pem: string): Promise<readonly string[]> {
  return [...(await importPem(pem)).verifiers.keys()]
}

test('a key is bound to the algorithms of its type and curve (PROTOCOL 3.2)', async () => {
  for (const key of everyKey) {
    const { verifiers } = await importTestKey(key)
    assert.deepEqual([...verifiers.keys()], key.algorithms)
  }
})

test('a certificate gives its public key, whatever white space is around it', async () => {
  assert.deepEqual(await boundTo(`\n${certificate}\n`), ['ES256'])
})

test('a secret under 32 bytes is refused, counted in bytes', () => {
  assert.throws(() => importSecret('x'.repeat(31)), /secret of 31 bytes is too short.* 32/)
  assert.throws(() => importSecret(''), /secret of 0 bytes/)
  importSecret('x'.repeat(32))
  importSecret('ü'.repeat(16))
})

test('an RSA key under 2048 bits is refused when it is loaded, as jose does', async () => {
  const short = makeRsaKey(1024)
  await assert.rejects(boundTo(pemOf(short)), /RSA key of 1024 bits is too short: 2048/)
  await assert.rejects(parseJwks(textOf([jwkOf(short)])), /RSA key of 1024 bits/)
})

test('a PEM file must hold one public key of a supported kind', async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const secret = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  await assert.rejects(boundTo(secret), /private key: give the gateway the public one/)
  await assert.rejects(boundTo(''), /no public key in PEM form/)
  await assert.rejects(boundTo(testSecret), /no public key in PEM form/)
  await assert.rejects(boundTo(pemOf(makeEcKey('P-521'))), /type or curve are not supported/)
  const two = pemOf(makeEdKey()) + pemOf(makeEdKey())
  await assert.rejects(boundTo(two), /more than one key/)
  await assert.rejects(boundTo(pemOf(makeEdKey()).replace('MCow', 'MCox')))
})

function textOf(keys: readonly object[]): string {
  return JSON.stringify({ keys })
}

test('alg binds a key of a key set to one algorithm (PROTOCOL 3.2)', async () => {
  const [, rsa, p256] = everyKey as readonly [TestKey, TestKey, TestKey]
  const bound = async (jwk: object): Promise<readonly string[]> => {
    const { keys } = await parseJwks(textOf([jwk]))
    return keys.flatMap((key) => [...key.verifiers.keys()])
  }
  assert.deepEqual(await bound(jwkOf(rsa)), ['RS256', 'PS256'])
  assert.deepEqual(await bound(jwkOf(rsa, { alg: 'PS256' })), ['PS256'])
  assert.deepEqual(await bound(jwkOf(p256, { ext: false, key_ops: ['verify'] })), ['ES256'])
})

test('keys of a key set that cannot verify tokens are skipped, each with its reason', async () => {
  const [secret, rsa, p256, , ed] = everyKey as readonly TestKey[]
  assert.ok(secret && rsa && p256 && ed)
  const jwks = await parseJwks(
    textOf([
      jwkOf(ed, { kid: 'good' }),
      jwkOf(rsa, { kid: 'enc', use: 'enc' }),
      jwkOf(rsa, { kid: 'ops', key_ops: ['encrypt'] }),
      jwkOf(rsa, { kid: 'alg', alg: 'RS512' }),
      jwkOf(rsa, { kid: 'hmac', alg: 'HS256' }),
      jwkOf(p256, { kid: 'curve', alg: 'ES384' }),
      jwkOf(makeEcKey('P-521'), { kid: 'p521' }),
      jwkOf(makeRsaKey(1024), { kid: 'short' }),
      jwkOf(secret, { kid: 'oct' }),
      { ...p256.signingKey.export({ format: 'jwk' }), kid: 'private' },
      jwkOf(p256, { kid: 'broken', x: 'AAAA' }),
      { kid: 7 },
    ]),
  )
  assert.deepEqual(
    jwks.keys.map((key) => key.kid),
    ['good'],
  )
  assert.deepEqual(
    jwks.skipped.map((key) => key.kid),
    ['enc', 'ops', 'alg', 'hmac', 'curve', 'p521', 'short', 'oct', 'private', 'broken', undefined],
  )
  for (const { reason } of jwks.skipped) assert.ok(reason.length > 0)
  // A name that is known but of no use is not worth asking for again.
  assert.ok(jwks.kids.has('enc') && jwks.kids.has('good'))
  for (const key of jwks.keys) assert.ok(![...key.verifiers.keys()].some(isSymmetric))
})

test('what is no key set is refused with what is wrong; an empty one is valid', async () => {
  assert.deepEqual((await parseJwks('{"keys":[]}')).keys, [])
  await assert.rejects(parseJwks('{"keys":'), /not JSON/)
  for (const text of ['{}', '[]', 'null', '{"keys":{}}', '{"keys":[7]}', '{"keys":[[]]}']) {
    await assert.rejects(parseJwks(text), /not a JSON Web Key Set/)
  }
  await assert.rejects(parseJwks(textOf([{ kty: 'oct', k: 'AAAA' }])), /none of its 1 keys/)
  const many = Array.from({ length: 501 }, () => ({}))
  await assert.rejects(parseJwks(textOf(many)), /more than 500 keys/)
})

test('a secret serves all three HMAC algorithms (PROTOCOL 3.2)', async () => {
  const { verifiers } = await importTestKey(makeSecretKey(testSecret))
  assert.ok([...verifiers.keys()].every(isSymmetric) && verifiers.size === 3)
})
