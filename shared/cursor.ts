/** The cursor of a poll or event stream: where to go on, in a short string (PROTOCOL 13). */
import { decodeBase64Url, encodeBase64Url } from './base64.js'
import { crc32 } from './crc32.js'
import { decodeDurable, encodeDurable, hashBytes, type DurablePositions } from './cursor-durable.js'
import { pushHex, pushUint, readHex, readUint, readVarint, varint } from './varint.js'

export interface Cursor {
  /** Absent: no position in any ephemeral channel. */
  readonly ephemeral?: EphemeralPosition
  /** One for each epoch, in their rising order. Absent: no position in any durable channel. */
  readonly durable?: readonly DurablePositions[]
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

/** Room for the channels below, each in an epoch of its own and at the widest offsets. */
export const cursorLengthMax = 4_096
/** Channels of all sections together. */
export const cursorChannelsMax = 100

const version = 1
const ephemeralSection = 1
const durableSection = 2
const nodeBytes = 8
const checksumBytes = 4
const nodeGrammar = /^[0-9a-f]{16}$/

export function encodeCursor(cursor: Cursor): string {
  const { ephemeral, durable = [] } = cursor
  if (channelCount(cursor) > cursorChannelsMax) {
    throw new RangeError('too many channels for a cursor')
  }
  const bytes = [version]
  if (ephemeral !== undefined) pushSection(bytes, ephemeralSection, encodeEphemeral(ephemeral))
  let epoch = ''
  for (const positions of durable) {
    if (positions.epoch <= epoch) throw new RangeError('the epochs of a cursor rise')
    epoch = positions.epoch
    pushSection(bytes, durableSection, encodeDurable(positions))
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
  const cursor = decodeSections(bytes.subarray(1, end))
  return cursor === undefined || channelCount(cursor) > cursorChannelsMax ? undefined : cursor
}

/** 24 bits of a name: FNV-1a of 32 bits, folded. Two of 16 channels collide in 1 of 140,000. */
export function channelHash(name: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < name.length; at += 1) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
  }
  return (hash >>> 24) ^ (hash & 0xffffff)
}

function channelCount({ ephemeral, durable = [] }: Cursor): number {
  const count = ephemeral === undefined ? 0 : ephemeral.channels.length
  return durable.reduce((sum, { channels }) => sum + channels.length, count)
}

function pushSection(bytes: number[], section: number, body: readonly number[]): void {
  bytes.push(section, ...varint(body.length), ...body)
}

function encodeEphemeral({ node, arrival, channels }: EphemeralPosition): number[] {
  if (!nodeGrammar.test(node)) throw new RangeError('a node is 16 hex digits')
  if (!Number.isSafeInteger(arrival) || arrival < 0) throw new RangeError('arrival is a counter')
  const body: number[] = []
  pushHex(body, node)
  body.push(...varint(arrival))
  for (const hash of channels) pushUint(body, hash, hashBytes)
  return body
}

/** A section that is not known is refused: to skip it would lose positions in silence. */
function decodeSections(bytes: Uint8Array): Cursor | undefined {
  let ephemeral: EphemeralPosition | undefined
  const durable: DurablePositions[] = []
  let at = 0
  while (at < bytes.length) {
    const section = bytes[at]
    const length = readVarint(bytes, at + 1)
    if (length === undefined || length.next + length.value > bytes.length) return undefined
    const isFirst = at === 0
    at = length.next + length.value
    const body = bytes.subarray(length.next, at)
    if (section === ephemeralSection && isFirst) {
      ephemeral = decodeEphemeral(body)
      if (ephemeral === undefined) return undefined
    } else {
      const positions = section === durableSection ? decodeDurable(body) : undefined
      if (positions === undefined || positions.epoch <= (durable.at(-1)?.epoch ?? '')) {
        return undefined
      }
      durable.push(positions)
    }
  }
  return {
    ...(ephemeral === undefined ? {} : { ephemeral }),
    ...(durable.length === 0 ? {} : { durable }),
  }
}

function decodeEphemeral(body: Uint8Array): EphemeralPosition | undefined {
  const arrival = readVarint(body, nodeBytes)
  if (arrival === undefined || (body.length - arrival.next) % hashBytes !== 0) return undefined
  const channels: number[] = []
  for (let at = arrival.next; at < body.length; at += hashBytes) {
    channels.push(readUint(body, at, hashBytes))
  }
  return { node: readHex(body.subarray(0, nodeBytes)), arrival: arrival.value, channels }
}
