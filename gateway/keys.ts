/** Keys given with the configuration: secrets and PEM files, vetted by jose. */
import { createPublicKey, createSecretKey, KeyObject } from 'node:crypto'
import { importSPKI, importX509 } from 'jose'
import { createVerifier, type Algorithm } from './jws-algorithm.js'
import type { VerificationKey } from './key-set.js'

/** A shorter secret can be guessed from any one token (RFC 7518, 3.2). */
export const secretBytesMin = 32

/** RFC 7518, 3.3; jose refuses smaller ones when it verifies. */
export const rsaBitsMin = 2048

/** One secret serves the three HMAC algorithms. */
export function importSecret(secret: string): VerificationKey {
  const bytes = Buffer.from(secret, 'utf8')
  if (bytes.length < secretBytesMin) {
    throw new TypeError(
      `a secret of ${bytes.length} bytes is too short: it must have ${secretBytesMin} or more`,
    )
  }
  return bindKey(createSecretKey(bytes), ['HS256', 'HS384', 'HS512'], undefined)
}

/** A public key or a certificate. Its type and curve say which algorithms it is bound to. */
export async function importPem(text: string): Promise<VerificationKey> {
  const pem = text.trim()
  const isCertificate = pem.startsWith('-----BEGIN CERTIFICATE-----')
  if (!isCertificate && !pem.startsWith('-----BEGIN PUBLIC KEY-----')) {
    throw new TypeError(
      pem.includes('PRIVATE KEY-----')
        ? 'it holds a private key: give the gateway the public one'
        : 'it is no public key in PEM form (-----BEGIN PUBLIC KEY-----)',
    )
  }
  // jose would read what is left of the second as a part of the first.
  if (pem.split('-----BEGIN ').length > 2) throw new TypeError('it holds more than one key')
  const bound = algorithmsOf(createPublicKey(pem))
  const first = bound[0]
  if (first === undefined) throw new TypeError('keys of this type or curve are not supported')
  const imported = await (isCertificate ? importX509 : importSPKI)(pem, first, {
    extractable: true,
  })
  return bindKey(KeyObject.from(imported), bound, undefined)
}

/** Which algorithms fit a public key, most used first; none if it cannot be used. */
export function algorithmsOf(key: KeyObject): readonly Algorithm[] {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return ['RS256', 'PS256']
    case 'ec':
      if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return ['ES256']
      return key.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? ['ES384'] : []
    case 'ed25519':
      return ['EdDSA']
    default:
      return []
  }
}

/** Throws when the key is too weak to be used. */
export function bindKey(
  key: KeyObject,
  bound: readonly Algorithm[],
  kid: string | undefined,
): VerificationKey {
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < rsaBitsMin) {
    throw new TypeError(`an RSA key of ${bits} bits is too short: ${rsaBitsMin} are needed`)
  }
  const verifiers = bound.map((algorithm) => [algorithm, createVerifier(algorithm, key)] as const)
  return { kid, verifiers: new Map(verifiers) }
}
