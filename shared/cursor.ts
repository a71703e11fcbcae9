/** The cursor of a poll or event stream: where to go on, in a short string (PROTOCOL 13). */
import { decodeBase64Url, encodeBase64Url } from './base64.js'
import { crc32 } from './crc32.js'

export interface Cursor {
  /** Absent: no position in any ephemeral channel. */
  readonly ephemeral?: EphemeralPosition
}

/** A place in what arrived at one node. It means nothing to another, nor to its next process. */
export interface EphemeralPosition {
  /** The node: 16 lowercase hex digits, new at each process start. */
  readonly node: string
  /** The node's arrival counter when the cursor was taken. */
  readonly arrival: number
  /** `channelHash` of each channel that the cursor covers. */
  readonly channels: readonly number[]
}

export const cursorLengthMax = 512
/** So many channels fit the length above, with room for other sections. */
export const cursorChannelsMax = 100

const version = 1
const ephemeralSection = 1
const nodeBytes = 8
const hashBytes = 3
const checksumBytes = 4
const nodeGrammar = /^[0-9a-f]{16}$/

export function encodeCursor(cursor: Cursor): string {
  const bytes = [version]
  if (cursor.ephemeral !== undefined) {
    const body = encodeEphemeral(cursor.ephemeral)
    bytes.push(ephemeralSection, ...varint(body.length), ...body)
  }
  pushUint(bytes, crc32(bytes), checksumBytes)
  return encodeBase64Url(bytes)
}

/** The cursor, or undefined for what this version did not write. Never throws. */
export function decodeCursor(text: string): Cursor | undefined {
  if (text.length > cursorLengthMax) return undefined
  const bytes = decodeBase64Url(text)
  if (bytes === undefined || bytes.length < 1 + checksumBytes) return undefined
  const end = bytes.length - checksumBytes
  if (readUint(bytes, end, checksumBytes) !== crc32(bytes.subarray(0, end))) return undefined
  if (bytes[0] !== version) return undefined
  return end === 1 ? {} : decodeSection(bytes.subarray(1, end))
}

/** 24 bits of a name: FNV-1a of 32 bits, folded. Two of 16 channels collide in 1 of 140,000. */
export function channelHash(name: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < name.length; at += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
  }
  return (hash >>> 24) ^ (hash & 0xffffff)
}

function encodeEphemeral({ node, arrival, channels }: EphemeralPosition): number[] {
  if (!nodeGrammar.test(node)) throw new RangeError('a node is 16 hex digits')
  if (!Number.isSafeInteger(arrival) || arrival < 0) throw new RangeError('arrival is a counter')
  if (channels.length > cursorChannelsMax) throw new RangeError('too many channels for a cursor')
  const body: number[] = []
  for (let at = 0; at < node.length; at += 2) body.push(parseInt(node.slice(at, at + 2), 16))
  body.push(...varint(arrival))
  for (const hash of channels) pushUint(body, hash, hashBytes)
  return body
}

/** One section so far. One that is not known is refused: to skip it would lose positions. */
function decodeSection(bytes: Uint8Array): Cursor | undefined {
  if (bytes[0] !== ephemeralSection) return undefined
  const length = readVarint(bytes, 1)
  if (length === undefined || length.next + length.value !== bytes.length) return undefined
  const ephemeral = decodeEphemeral(bytes.subarray(length.next))
  return ephemeral === undefined ? undefined : { ephemeral }
}

function decodeEphemeral(body: Uint8Array): EphemeralPosition | undefined {
  const arrival = readVarint(body, nodeBytes)
  if (arrival === undefined || (body.length - arrival.next) % hashBytes !== 0) return undefined
  let node = ''
  for (const byte of body.subarray(0, nodeBytes)) node += byte.toString(16).padStart(2, '0')
  const channels: number[] = []
  for (let at = arrival.next; at < body.length; at += hashBytes) {
    channels.push(readUint(body, at, hashBytes))
  }
  return { node, arrival: arrival.value, channels }
}

/** Seven bits a byte, the lowest first, the high bit set on all but the last (LEB128). */
function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return bytes
}

function readVarint(
  bytes: Uint8Array,
  from: number,
): { readonly value: number; readonly next: number } | undefined {
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

function pushUint(bytes: number[], value: number, count: number): void {
  for (let shift = 8 * (count - 1); shift >= 0; shift -= 8) bytes.push((value >>> shift) & 255)
}

function readUint(bytes: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let index = at; index < at + count; index += 1)
    value = value * 256 + (bytes[index] as number)
  return value
}
