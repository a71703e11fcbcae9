/** Mints tokens for development: what a domain service does for its users, in one call. */
import { SignJWT } from 'jose'
import { secretBytesMin } from './keys.js'

export interface MintRequest {
  /** The secret that the gateway verifies with; of several, separated by white space, the first. */
  readonly secret: string
  readonly sub?: string | undefined
  readonly channels?: readonly string[] | undefined
  readonly subscribe?: readonly string[] | undefined
  readonly publish?: readonly string[] | undefined
  readonly ttlSeconds: number
  readonly audience?: string | undefined
  readonly issuer?: string | undefined
}

/** Rejects when the secret is too weak for any gateway to start with. */
export async function mintToken(request: MintRequest): Promise<string> {
  const { secret, ttlSeconds, sub, channels, subscribe, publish, audience, issuer } = request
  const [first = ''] = secret.trim().split(/\s+/)
  const key = Buffer.from(first, 'utf8')
  if (key.length < secretBytesMin) {
    throw new TypeError(`The secret must have ${secretBytesMin} bytes or more, not ${key.length}.`)
  }
  const claims = { sub, channels, subscribe, publish, aud: audience, iss: issuer }
  return new SignJWT(withoutUndefined(claims))
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setIssuedAt()
    .setExpirationTime(`${ttlSeconds} seconds`)
    .sign(key)
}

function withoutUndefined(claims: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
}
