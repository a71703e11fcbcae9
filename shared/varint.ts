/** Integers in bytes: variable length for those that are mostly small, fixed for the rest. */

export interface Varint {
  readonly value: number
  /** The place after it. */
  readonly next: number
}

/** Magnitude bits in the first byte of a signed one, beside its sign. */
const firstBits = 0x40

/** Seven bits a byte, the lowest first, the high bit set on all but the last (LEB128). */
export function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return bytes
}

/** Undefined for what `varint` does not write: cut off, over 2^53 - 1, not in the shortest form. */
export function readVarint(bytes: Uint8Array, from: number): Varint | undefined {
  let value = 0
  let scale = 1
  for (let at = from; at < bytes.length; at += 1) {
    const byte = bytes[at] as number
    value += (byte & 0x7f) * scale
    if (value > Number.MAX_SAFE_INTEGER) return undefined
    // The shortest form only: a last byte of zero would add nothing.
    if (byte < 0x80) return byte === 0 && at > from ? undefined : { value, next: at + 1 }
    scale *= 0x80
  }
  return undefined
}

/**
 * The varint of 2n for n from 0, of -2n - 1 for those below (zigzag). Twice a safe integer need not
 * be one, so the first byte, which has the sign, is made apart from the rest.
 */
export function signedVarint(value: number): number[] {
  const isNegative = value < 0
  const magnitude = isNegative ? -(value + 1) : value
  const first = (magnitude % firstBits) * 2 + (isNegative ? 1 : 0)
  const rest = Math.floor(magnitude / firstBits)
  return rest === 0 ? [first] : [first | 0x80, ...varint(rest)]
}

export function readSignedVarint(bytes: Uint8Array, from: number): Varint | undefined {
  const first = bytes[from]
  if (first === undefined) return undefined
  const rest = first < 0x80 ? { value: 0, next: from + 1 } : readVarint(bytes, from + 1)
  if (rest === undefined || (first >= 0x80 && rest.value === 0)) return undefined
  const magnitude = rest.value * firstBits + ((first & 0x7f) >>> 1)
  if (magnitude > Number.MAX_SAFE_INTEGER) return undefined
  return { value: (first & 1) === 1 ? -magnitude - 1 : magnitude, next: rest.next }
}

/** The highest byte first. */
export function pushUint(bytes: number[], value: number, count: number): void {
  for (let shift = 8 * (count - 1); shift >= 0; shift -= 8) bytes.push((value >>> shift) & 255)
}

export function readUint(bytes: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let index = at; index < at + count; index += 1)
    value = value * 256 + (bytes[index] as number)
  return value
}

/** Two digits a byte, lowercase. */
export function pushHex(bytes: number[], digits: string): void {
  for (let at = 0; at < digits.length; at += 2) bytes.push(parseInt(digits.slice(at, at + 2), 16))
}

export function readHex(bytes: Uint8Array): string {
  let digits = ''
  for (const byte of bytes) digits += byte.toString(16).padStart(2, '0')
  return digits
}
