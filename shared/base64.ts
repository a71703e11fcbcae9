/** Base64, both alphabets (RFC 4648), strict and on bytes: no strings of 64 KB in between. */

interface Alphabet {
  /** ASCII code of each of the 64 digits. */
  readonly digits: Uint8Array
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
  return encode(bytes, standard)
}

/** The bytes, or undefined for what no encoder would have written: spaces, missing padding. */
export function decodeBase64(text: string): Uint8Array | undefined {
  return decode(text, standard)
}

/** URL-safe alphabet without padding. */
export function encodeBase64Url(bytes: Uint8Array): string {
  return new TextDecoder().decode(encode(bytes, urlSafe))
}

export function decodeBase64Url(text: string): Uint8Array | undefined {
  return decode(text, urlSafe)
}

function encode(bytes: Uint8Array, { digits, isPadded }: Alphabet): Uint8Array {
  const tail = bytes.length % 3
  const whole = bytes.length - tail
  const tailDigits = tail === 0 ? 0 : isPadded ? 4 : tail + 1
  const out = new Uint8Array((whole / 3) * 4 + tailDigits)
  let to = 0
  for (let at = 0; at < bytes.length; at += 3) {
    // Past the end a Uint8Array is undefined, which is 0 in bit operations.
    const bits = (byte(bytes, at) << 16) | (byte(bytes, at + 1) << 8) | byte(bytes, at + 2)
    out[to] = byte(digits, bits >>> 18)
    out[to + 1] = byte(digits, (bits >>> 12) & 63)
    out[to + 2] = byte(digits, (bits >>> 6) & 63)
    out[to + 3] = byte(digits, bits & 63)
    to += 4
  }
  // Writes past the end were ignored; what remains is the padding.
  if (isPadded && tail > 0) out.fill(padding, out.length - (3 - tail))
  return out
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
    const value = code < 128 ? byte(values, code) : 255
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

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] as number
}

function alphabet(text: string, isPadded: boolean): Alphabet {
  const digits = new TextEncoder().encode(text)
  const values = new Uint8Array(128).fill(255)
  for (const [value, digit] of digits.entries()) values[digit] = value
  return { digits, values, isPadded }
}
