/** One key of every kind, made once for a test file, and what signs with them. */
import {
  constants,
  createHmac,
  createSecretKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto'
import type { Algorithm } from '../jws-algorithm.js'
import { importPem, importSecret } from '../keys.js'
import type { VerificationKey } from '../key-set.js'
import { encodeSegment, testSecret } from './tokens.js'

export interface TestKey {
  /** What the key may be used with; the gateway must find the same. */
  readonly algorithms: readonly Algorithm[]
  readonly signingKey: KeyObject
  /** What jose verifies with: the secret itself, or the public key. */
  readonly verificationKey: KeyObject
}

export function makeSecretKey(secret: string): TestKey {
  const key = createSecretKey(Buffer.from(secret))
  return { algorithms: ['HS256', 'HS384', 'HS512'], signingKey: key, verificationKey: key }
}

export function makeRsaKey(bits = 2048): TestKey {
  return pair(['RS256', 'PS256'], generateKeyPairSync('rsa', { modulusLength: bits }))
}

export function makeEcKey(namedCurve: 'P-256' | 'P-384' | 'P-521'): TestKey {
  const algorithms = { 'P-256': ['ES256'], 'P-384': ['ES384'], 'P-521': [] } as const
  return pair(algorithms[namedCurve], generateKeyPairSync('ec', { namedCurve }))
}

export function makeEdKey(): TestKey {
  return pair(['EdDSA'], generateKeyPairSync('ed25519'))
}

function pair(
  algorithms: readonly Algorithm[],
  keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
): TestKey {
  return { algorithms, signingKey: keys.privateKey, verificationKey: keys.publicKey }
}

export function makeEveryKey(): readonly TestKey[] {
  const secret = makeSecretKey(testSecret)
  return [secret, makeRsaKey(), makeEcKey('P-256'), makeEcKey('P-384'), makeEdKey()]
}

export function pemOf(key: TestKey): string {
  return key.verificationKey.export({ type: 'spki', format: 'pem' }) as string
}

export function jwkOf(key: TestKey, members: object = {}): object {
  return { ...key.verificationKey.export({ format: 'jwk' }), ...members }
}

/** As the gateway loads it: from the text of a secret or a PEM file. */
export async function importTestKey(key: TestKey): Promise<VerificationKey> {
  const { verificationKey } = key
  if (verificationKey.type === 'secret') return importSecret(verificationKey.export().toString())
  return importPem(pemOf(key))
}

export interface Signing {
  readonly key: TestKey
  readonly algorithm: Algorithm
  /** In place of `{"alg":…}`. */
  readonly header?: object
}

export function signToken(claims: object, signing: Signing): string {
  const header = signing.header ?? { alg: signing.algorithm }
  const input = `${encodeSegment(JSON.stringify(header))}.${encodeSegment(JSON.stringify(claims))}`
  return `${input}.${signInput(input, signing).toString('base64url')}`
}

export function signInput(signingInput: string, { key, algorithm }: Signing): Buffer {
  const data = Buffer.from(signingInput)
  const privateKey = key.signingKey
  switch (algorithm) {
    case 'HS256':
    case 'HS384':
    case 'HS512':
      return createHmac(`sha${algorithm.slice(2)}`, privateKey)
        .update(data)
        .digest()
    case 'RS256':
      return sign('sha256', data, privateKey)
    case 'PS256':
      return sign('sha256', data, {
        key: privateKey,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: 32,
      })
    case 'ES256':
    case 'ES384':
      return sign(`sha${algorithm.slice(2)}`, data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    case 'EdDSA':
      return sign(null, data, privateKey)
  }
}
