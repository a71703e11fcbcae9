/** The registered claims of a token (RFC 7519, 4.1), judged as by jose, and two bounds of ours. */
import type { Verdict } from './authenticator.js'
import type { JsonObject } from './jws.js'

export interface ClaimRules {
  readonly audience?: string | undefined
  readonly issuer?: string | undefined
  readonly clockToleranceSeconds: number
  /** How far ahead `exp` may lie: a token is to be short-lived, whoever mints it. */
  readonly tokenLifetimeSecondsMax: number
}

export type Refusal = Extract<Verdict, { readonly ok: false }>

/** The sentence names the claim, never its value. */
export function invalidToken(message: string): Refusal {
  return { ok: false, code: 'token_invalid', message }
}

/** Undefined: nothing is wrong. `exp` is a finite number then. */
export function checkClaims(
  claims: JsonObject,
  rules: ClaimRules,
  nowSeconds: number,
): Refusal | undefined {
  if (!Object.hasOwn(claims, 'exp')) return missing('exp')
  return checkParties(claims, rules) ?? checkTimes(claims, rules, nowSeconds)
}

function checkParties(claims: JsonObject, rules: ClaimRules): Refusal | undefined {
  const { issuer, audience } = rules
  if (issuer !== undefined) {
    if (!Object.hasOwn(claims, 'iss')) return missing('iss')
    if (claims['iss'] !== issuer) return invalidToken('The claim "iss" is not the issuer expected.')
  }
  if (audience !== undefined) {
    if (!Object.hasOwn(claims, 'aud')) return missing('aud')
    if (!isAudience(claims['aud'], audience)) {
      return invalidToken('The claim "aud" does not name the audience expected.')
    }
  }
  return undefined
}

function isAudience(claim: unknown, audience: string): boolean {
  return claim === audience || (Array.isArray(claim) && claim.includes(audience))
}

function checkTimes(
  claims: JsonObject,
  rules: ClaimRules,
  nowSeconds: number,
): Refusal | undefined {
  const { iat, nbf, exp } = claims
  if (iat !== undefined && typeof iat !== 'number') return notANumber('iat')
  if (nbf !== undefined && typeof nbf !== 'number') return notANumber('nbf')
  const tolerance = rules.clockToleranceSeconds
  if (nbf !== undefined && nbf > nowSeconds + tolerance) {
    return invalidToken('The token is not valid yet: its claim "nbf" lies in the future.')
  }
  if (typeof exp !== 'number') return notANumber('exp')
  if (exp <= nowSeconds - tolerance) return expired
  if (exp - nowSeconds > rules.tokenLifetimeSecondsMax + tolerance) {
    const most = rules.tokenLifetimeSecondsMax
    return invalidToken(`The claim "exp" lies further ahead than the ${most} seconds allowed.`)
  }
  if (iat !== undefined && iat > nowSeconds + tolerance) {
    return invalidToken('The claim "iat" lies in the future.')
  }
  return undefined
}

const expired: Refusal = { ok: false, code: 'token_expired', message: 'The token has expired.' }

function missing(claim: string): Refusal {
  return invalidToken(`The token has no claim "${claim}".`)
}

function notANumber(claim: string): Refusal {
  return invalidToken(`The claim "${claim}" must be a number of seconds.`)
}
