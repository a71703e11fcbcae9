/** Base64 (RFC 4648), strict: standard for payloads, as bytes; URL-safe for cursors, as text. */

interface Alphabet {
  readonly digits: string
  /** Value of each ASCII code, 255 for those that are no digit. */
  readonly values: Uint8Array
  readonly isPadded: boolean
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
const standard = alphabet(`${letters}+/`, true)
const urlSafe = alphabet(`${letters}-_`, false)
const padding = 0x3d

/** Standard alphabet, padded; the digits as ASCII bytes. */
export function encodeBase64(bytes: Uint8Array): Uint8Array {
  const { digits } = standard
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4)
  let to = 0
  for (let at = 0; at < bytes.length; at += 3) {
    const bits = threeBytes(bytes, at)
    out[to] = digits.charCodeAt(bits >>> 18)
    out[to + 1] = digits.charCodeAt((bits >>> 12) & 63)
    out[to + 2] = digits.charCodeAt((bits >>> 6) & 63)
    out[to + 3] = digits.charCodeAt(bits & 63)
    to += 4
  }
  const missing = (3 - (bytes.length % 3)) % 3
  return out.fill(padding, out.length - missing)
}

/** The bytes, or undefined for what no encoder would have written: spaces, missing padding. */
export function decodeBase64(text: string): Uint8Array | undefined {
  return decode(text, standard)
}

/** URL-safe alphabet without padding. */
export function encodeBase64Url(bytes: ArrayLike<number>): string {
  const { digits } = urlSafe
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const bits = threeBytes(bytes, at)
    text += digits.charAt(bits >>> 18) + digits.charAt((bits >>> 12) & 63)
    if (at + 1 < bytes.length) text += digits.charAt((bits >>> 6) & 63)
    if (at + 2 < bytes.length) text += digits.charAt(bits & 63)
  }
  return text
}

export function decodeBase64Url(text: string): Uint8Array | undefined {
  return decode(text, urlSafe)
}

function decode(text: string, { values, isPadded }: Alphabet): Uint8Array | undefined {
  if (isPadded && text.length % 4 !== 0) return undefined
  let length = text.length
  if (isPadded && text.endsWith('==')) length -= 2
  else if (isPadded && text.endsWith('=')) length -= 1
  if (length % 4 === 1) return undefined
  const out = new Uint8Array(Math.floor((length * 3) / 4))
  let bits = 0
  let to = 0
  for (let at = 0; at < length; at += 1) {
    const code = text.charCodeAt(at)
    const value = code < 128 ? (values[code] as number) : 255
    if (value === 255) return undefined
    bits = ((bits << 6) | value) & 0xffffff
    if (at % 4 === 0) continue
    out[to] = (bits >>> (6 - 2 * (at % 4))) & 255
    to += 1
  }
  // One text for each sequence of bytes: the bits that no byte uses are zero.
  const unused = length % 4 === 2 ? 15 : length % 4 === 3 ? 3 : 0
  return (bits & unused) === 0 ? out : undefined
}

/** 24 bits; what lies past the end is undefined, which is 0 in bit operations. */
function threeBytes(bytes: ArrayLike<number>, at: number): number {
  const first = bytes[at] as number
  return (first << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number)
}

function alphabet(digits: string, isPadded: boolean): Alphabet {
  const values = new Uint8Array(128).fill(255)
  for (let value = 0; value < digits.length; value += 1) values[digits.charCodeAt(value)] = value
  return { digits, values, isPadded }
}
