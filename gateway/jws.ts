/** A compact JWS (RFC 7515) taken apart exactly as jose does it, leniencies included. */
import { isAlgorithm, type Algorithm } from './jws-algorithm.js'

export interface Jws {
  readonly algorithm: Algorithm
  /** As the header has it: anything. Only a string can name a key. */
  readonly kid: unknown
  /**
   * The two encoded segments that the signature covers, hashed as latin1. What is not ASCII would
   * be cut to bytes there: harmless, as such a segment is refused when it is decoded.
   */
  readonly signingInput: string
  /** Still encoded: not worth decoding before the signature has been verified. */
  readonly payload: string
  readonly signature: Buffer
}

/** Why a token cannot be verified at all. The sentences must not contain a part of the token. */
export type JwsFault =
  'not_three_segments' | 'bad_header' | 'algorithm_refused' | 'critical_refused' | 'bad_signature'

export function readJws(token: string): Jws | JwsFault {
  const afterHeader = token.indexOf('.')
  const afterPayload = token.indexOf('.', afterHeader + 1)
  if (afterHeader === -1 || afterPayload === -1) return 'not_three_segments'
  if (token.indexOf('.', afterPayload + 1) !== -1) return 'not_three_segments'
  const header = parseJsonObject(decodeBase64url(token.slice(0, afterHeader)))
  if (header === undefined) return 'bad_header'
  if (!isCriticalUnderstood(header)) return 'critical_refused'
  const algorithm = header['alg']
  if (!isAlgorithm(algorithm)) return 'algorithm_refused'
  const signature = decodeBase64url(token.slice(afterPayload + 1))
  if (signature === undefined) return 'bad_signature'
  return {
    algorithm,
    kid: header['kid'],
    signingInput: token.slice(0, afterPayload),
    payload: token.slice(afterHeader + 1, afterPayload),
    signature,
  }
}

/**
 * `crit` (RFC 7515, 4.1.11): `b64` (RFC 7797) is the only extension known, and a JWT must not use
 * it to leave its payload unencoded. A `b64` that is not listed has no effect.
 */
function isCriticalUnderstood(header: JsonObject): boolean {
  const critical = header['crit']
  if (critical === undefined) return true
  if (!Array.isArray(critical) || critical.length === 0) return false
  return critical.every((name) => name === 'b64') && header['b64'] === true
}

const alphabet = /^[\w-]*$/

/**
 * What `atob` accepts, in the URL alphabet: ASCII white space, padding where it completes a group
 * of four, and bits set beyond the last byte. Buffer alone would skip whatever it does not know.
 */
export function decodeBase64url(text: string): Buffer | undefined {
  const bare = alphabet.test(text) ? text : withoutSpaceAndPadding(text)
  return bare === undefined || bare.length % 4 === 1 ? undefined : Buffer.from(bare, 'base64url')
}

function withoutSpaceAndPadding(text: string): string | undefined {
  const dense = text.replace(/[\t\n\f\r ]/g, '')
  const bare = dense.length % 4 === 0 ? dense.replace(/={1,2}$/, '') : dense
  return alphabet.test(bare) ? bare : undefined
}

export type JsonObject = Readonly<Record<string, unknown>>

// Fatal on what is not UTF-8; drops a byte order mark.
const utf8 = new TextDecoder('utf-8', { fatal: true })

export function parseJsonObject(bytes: Buffer | undefined): JsonObject | undefined {
  if (bytes === undefined) return undefined
  try {
    const parsed: unknown = JSON.parse(utf8.decode(bytes))
    return isJsonObject(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

/** For what JSON.parse returned. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
