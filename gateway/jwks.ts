/** A JSON Web Key Set (RFC 7517) as text, and what of it can verify tokens. */
import { KeyObject } from 'node:crypto'
import { importJWK, type JWK } from 'jose'
import { isAlgorithm, isSymmetric, type Algorithm } from './jws-algorithm.js'
import { isJsonObject, type JsonObject } from './jws.js'
import type { KeyList, VerificationKey } from './key-set.js'
import { bindKey } from './keys.js'

/** Of the file, and of the answer to a request. */
export const jwksBytesMax = 1_048_576
export const jwksKeysMax = 500

export interface SkippedKey {
  readonly kid: string | undefined
  readonly reason: string
}

export interface Jwks extends KeyList {
  readonly kids: ReadonlySet<string>
  readonly skipped: readonly SkippedKey[]
}

/**
 * Throws a sentence for what is no key set, and for one in which no key can be used. An empty set
 * is a valid one: that is how an issuer withdraws its keys.
 */
export async function parseJwks(text: string): Promise<Jwks> {
  const members = membersOf(text)
  const keys: VerificationKey[] = []
  const skipped: SkippedKey[] = []
  for (const jwk of members) {
    try {
      keys.push(await importMember(jwk))
    } catch (cause) {
      skipped.push({ kid: kidOf(jwk), reason: (cause as Error).message })
    }
  }
  const [first] = skipped
  if (first !== undefined && keys.length === 0) {
    throw new TypeError(
      `none of its ${skipped.length} keys can be used; the first: ${first.reason}`,
    )
  }
  return { keys, kids: new Set(members.map(kidOf).filter((kid) => kid !== undefined)), skipped }
}

function membersOf(text: string): readonly JsonObject[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw new TypeError('it is not JSON')
  }
  const members = isJsonObject(parsed) ? parsed['keys'] : undefined
  if (!Array.isArray(members) || !members.every(isJsonObject)) {
    throw new TypeError('it is not a JSON Web Key Set: {"keys":[{…},…]}')
  }
  if (members.length > jwksKeysMax) throw new TypeError(`it has more than ${jwksKeysMax} keys`)
  return members
}

function kidOf(jwk: JsonObject): string | undefined {
  return typeof jwk['kid'] === 'string' ? jwk['kid'] : undefined
}

async function importMember(jwk: JsonObject): Promise<VerificationKey> {
  if (jwk['use'] !== undefined && jwk['use'] !== 'sig') throw new TypeError('its use is not sig')
  const operations = jwk['key_ops']
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify'))) {
    throw new TypeError('its key_ops do not include verify')
  }
  const bound = algorithmsOfJwk(jwk)
  const first = bound[0]
  if (first === undefined) throw new TypeError('its kty, crv and alg fit no supported algorithm')
  const imported = await importJWK(jwk as JWK, first, { extractable: true })
  if (imported instanceof Uint8Array || imported.type !== 'public') {
    throw new TypeError('it is not a public key')
  }
  return bindKey(KeyObject.from(imported), bound, kidOf(jwk))
}

/** `alg` binds the key to one algorithm; without it, type and curve do. */
function algorithmsOfJwk(jwk: JsonObject): readonly Algorithm[] {
  const fitting = fittingAlgorithms(jwk['kty'], jwk['crv'])
  const alg = jwk['alg']
  if (alg === undefined) return fitting
  return isAlgorithm(alg) && !isSymmetric(alg) && fitting.includes(alg) ? [alg] : []
}

function fittingAlgorithms(kty: unknown, crv: unknown): readonly Algorithm[] {
  if (kty === 'RSA') return ['RS256', 'PS256']
  if (kty === 'EC' && crv === 'P-256') return ['ES256']
  if (kty === 'EC' && crv === 'P-384') return ['ES384']
  return kty === 'OKP' && crv === 'Ed25519' ? ['EdDSA'] : []
}
