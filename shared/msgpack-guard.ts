/** Walks MessagePack before it is decoded: plain values, whole, not too deep (PROTOCOL 4.3). */

/** Containers within containers; a frame needs one, and unknown members may hold some more. */
export const msgpackDepthMax = 32

/** Lengths of the values that have a fixed one, by first byte: nil, booleans, floats, integers. */
const fixedLengths: Readonly<Record<number, number>> = {
  0xc0: 0,
  0xc2: 0,
  0xc3: 0,
  0xca: 4,
  0xcb: 8,
  0xcc: 1,
  0xcd: 2,
  0xce: 4,
  0xcf: 8,
  0xd0: 1,
  0xd1: 2,
  0xd2: 4,
  0xd3: 8,
}

/** Bytes of the length that follows the first byte, for what carries one: bin and str 8, 16, 32. */
const byteLengths: Readonly<Record<number, number>> = {
  0xc4: 1,
  0xc5: 2,
  0xc6: 4,
  0xd9: 1,
  0xda: 2,
  0xdb: 4,
}

interface Container {
  /** Values still to come. */
  remaining: number
  readonly isMap: boolean
}

/**
 * What is wrong with the bytes, or undefined if they are exactly one plain value. Extension types
 * are refused: msgpackr would make records, errors, regular expressions and cyclic objects of them.
 */
export function msgpackFault(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const open: Container[] = []
  let at = 0
  do {
    const first = bytes[at]
    if (first === undefined) return 'truncated'
    at += 1
    const container = open.at(-1)
    if (container !== undefined) {
      const isKey = container.isMap && container.remaining % 2 === 0
      if (isKey && !isString(first)) return 'a map whose keys are not strings'
      container.remaining -= 1
    }
    const inner = containerOf(view, first, at)
    if (inner === undefined) {
      const length = scalarLength(view, first, at)
      if (length === undefined) return 'an extension type'
      at += length
    } else {
      if (open.length === msgpackDepthMax) return `nested deeper than ${msgpackDepthMax}`
      open.push(inner)
      at += first < 0xa0 ? 0 : first % 2 === 0 ? 2 : 4
    }
    if (at > bytes.length) return 'truncated'
    while (open.at(-1)?.remaining === 0) open.pop()
  } while (open.length > 0)
  return at === bytes.length ? undefined : 'followed by more bytes'
}

function isString(first: number): boolean {
  return (first >= 0xa0 && first < 0xc0) || (first >= 0xd9 && first <= 0xdb)
}

function containerOf(view: DataView, first: number, at: number): Container | undefined {
  if (first >= 0x80 && first < 0x90) return { isMap: true, remaining: 2 * (first - 0x80) }
  if (first >= 0x90 && first < 0xa0) return { isMap: false, remaining: first - 0x90 }
  if (first === 0xdc || first === 0xdd) {
    return { isMap: false, remaining: uint(view, at, first === 0xdc ? 2 : 4) }
  }
  if (first === 0xde || first === 0xdf) {
    return { isMap: true, remaining: 2 * uint(view, at, first === 0xde ? 2 : 4) }
  }
  return undefined
}

/** Bytes that follow the first one; undefined for extension types and for 0xc1, which is unused. */
function scalarLength(view: DataView, first: number, at: number): number | undefined {
  if (first < 0x80 || first >= 0xe0) return 0
  if (first < 0xc0) return first - 0xa0
  const lengthBytes = byteLengths[first]
  if (lengthBytes !== undefined) return lengthBytes + uint(view, at, lengthBytes)
  return fixedLengths[first]
}

/** A big-endian unsigned integer; infinite past the end, which the caller reports as truncated. */
function uint(view: DataView, at: number, bytes: number): number {
  if (at + bytes > view.byteLength) return Infinity
  return bytes === 1 ? view.getUint8(at) : bytes === 2 ? view.getUint16(at) : view.getUint32(at)
}
