/** Mints any token, good or bad, for the tests of everything that takes one. */
import { createHmac } from 'node:crypto'

export const testSecret = 'secret-for-tests-of-32-bytes-or-more'

export interface TestClaims {
  readonly sub?: unknown
  readonly channels?: unknown
  readonly subscribe?: unknown
  readonly publish?: unknown
  /** Seconds. Without the key: ten minutes from now, by the machine's clock. */
  readonly exp?: unknown
  readonly [claim: string]: unknown
}

const digests: Readonly<Record<string, string>> = {
  HS256: 'sha256',
  HS384: 'sha384',
  HS512: 'sha512',
}

/** Whatever the header says, the signature is an HMAC: by its `alg` if that is one, else HS256. */
export function mint(
  claims: TestClaims = {},
  secret: string | Buffer = testSecret,
  header: Readonly<Record<string, unknown>> = { alg: 'HS256', typ: 'JWT' },
): string {
  const complete = { exp: Math.floor(Date.now() / 1000) + 600, ...claims }
  const segments = [header, complete].map((content) => encodeSegment(JSON.stringify(content)))
  const signingInput = segments.join('.')
  return `${signingInput}.${signHmac(signingInput, secret, digests[String(header['alg'])])}`
}

export function encodeSegment(content: string | Uint8Array): string {
  return Buffer.from(content as string).toString('base64url')
}

export function signHmac(
  signingInput: string,
  secret: string | Buffer = testSecret,
  digest = 'sha256',
): string {
  return createHmac(digest, secret).update(signingInput).digest('base64url')
}
