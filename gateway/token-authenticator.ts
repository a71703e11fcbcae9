/** Verifies tokens, synchronously: signature, times and parties, then who the client is. */
import type { Clock } from '../hub/clock.js'
import { limits } from '../shared/limits.js'
import type { Authenticator, Verdict } from './authenticator.js'
import { checkClaims, invalidToken, type ClaimRules, type Refusal } from './claims.js'
import { parseJsonObject, decodeBase64url, readJws, type Jws, type JwsFault } from './jws.js'
import type { KeySet } from './key-set.js'
import { IdentityReader } from './token-identity.js'

export interface TokenRules extends ClaimRules {
  /** A longer token is refused before it is parsed. */
  readonly tokenBytesMax?: number | undefined
  readonly clock: Clock
}

export class TokenAuthenticator implements Authenticator {
  readonly #keys: KeySet
  readonly #rules: TokenRules
  readonly #tokenBytesMax: number
  readonly #identities = new IdentityReader()

  constructor(keys: KeySet, rules: TokenRules) {
    this.#keys = keys
    this.#rules = rules
    this.#tokenBytesMax = rules.tokenBytesMax ?? limits.tokenBytesMax
  }

  authenticate(token: string | undefined): Verdict {
    if (token === undefined || token === '') return missingToken
    // A token is ASCII: more characters are more bytes, and what is not ASCII is refused anyway.
    if (token.length > this.#tokenBytesMax) return tooLong(this.#tokenBytesMax)
    const jws = readJws(token)
    if (typeof jws === 'string') return malformed[jws]
    if (!this.#isSigned(jws)) {
      return this.#keys.expect(jws.algorithm, jws.kid) ? keyUnknown : badSignature
    }
    // Only now is what the token says worth reading.
    const claims = parseJsonObject(decodeBase64url(jws.payload))
    if (claims === undefined) return badPayload
    const nowSeconds = Math.floor(this.#rules.clock.now() / 1000)
    const refusal = checkClaims(claims, this.#rules, nowSeconds)
    if (refusal !== undefined) return refusal
    const identity = this.#identities.read(claims)
    return 'ok' in identity ? identity : { ok: true, identity }
  }

  #isSigned(jws: Jws): boolean {
    for (const verify of this.#keys.find(jws.algorithm, jws.kid)) {
      if (verify(jws.signingInput, jws.signature)) return true
    }
    return false
  }
}

const missingToken: Refusal = {
  ok: false,
  code: 'token_missing',
  message: 'A token is needed: Authorization: Bearer, subprotocol bearer.<jwt>, or ?token=.',
}

const keyUnknown: Refusal = {
  ok: false,
  code: 'key_unknown',
  message: 'The key that the token was signed with is not known yet. Try again in a moment.',
}

const badSignature = invalidToken('The token was not signed by a key that is trusted here.')
const badPayload = invalidToken('The payload of the token is not a JSON object.')

const malformed: Readonly<Record<JwsFault, Refusal>> = {
  not_three_segments: invalidToken('The token does not consist of three base64url segments.'),
  bad_header: invalidToken('The header of the token is not a JSON object in base64url.'),
  algorithm_refused: invalidToken('The token is not signed, or by an algorithm that is refused.'),
  critical_refused: invalidToken('The token demands an extension ("crit") that is not known.'),
  bad_signature: invalidToken('The signature of the token is not base64url.'),
}

function tooLong(bytesMax: number): Refusal {
  return invalidToken(`The token is longer than ${bytesMax} bytes.`)
}
