/** Section 2 of a cursor: the positions in the durable channels of one epoch (PROTOCOL 13.5). */
import { isEpoch, isOffset } from './position.js'
import {
  pushHex,
  pushUint,
  readHex,
  readSignedVarint,
  readUint,
  readVarint,
  signedVarint,
  varint,
} from './varint.js'

/** Places in one history. Everything up to `verified` has been got, in each of the channels. */
export interface DurablePositions {
  /** 12 lowercase hex digits. */
  readonly epoch: string
  readonly verified: number
  /** At least one. */
  readonly channels: readonly DurablePosition[]
}

export interface DurablePosition {
  /** `channelHash` of its name. */
  readonly hash: number
  readonly offset: number
  /** The lowest 16 bits of the time of the publication at `offset`; 0: it is not known. */
  readonly timeTag: number
}

export const hashBytes = 3
const epochBytes = 6
const timeTagBytes = 2

/** The body of the section. Offsets are near the verified one: a difference takes 1 to 3 bytes. */
export function encodeDurable({ epoch, verified, channels }: DurablePositions): number[] {
  if (!isEpoch(epoch)) throw new RangeError('an epoch is 12 lowercase hex digits')
  if (!isOffset(verified)) throw new RangeError('a verified offset is an offset')
  if (channels.length === 0) throw new RangeError('a section without channels says nothing')
  const body: number[] = []
  pushHex(body, epoch)
  body.push(...varint(verified))
  for (const { hash, offset, timeTag } of channels) {
    if (!isOffset(offset)) throw new RangeError('an offset is a safe integer from 0')
    pushUint(body, hash, hashBytes)
    body.push(...signedVarint(verified - offset))
    pushUint(body, timeTag, timeTagBytes)
  }
  return body
}

/** The positions, or undefined for what `encodeDurable` does not write. */
export function decodeDurable(body: Uint8Array): DurablePositions | undefined {
  const verified = readVarint(body, epochBytes)
  if (verified === undefined) return undefined
  const channels: DurablePosition[] = []
  let at = verified.next
  while (at < body.length) {
    const difference = readSignedVarint(body, at + hashBytes)
    if (difference === undefined || difference.next + timeTagBytes > body.length) return undefined
    const offset = verified.value - difference.value
    if (!isOffset(offset)) return undefined
    const timeTag = readUint(body, difference.next, timeTagBytes)
    channels.push({ hash: readUint(body, at, hashBytes), offset, timeTag })
    at = difference.next + timeTagBytes
  }
  if (channels.length === 0) return undefined
  return { epoch: readHex(body.subarray(0, epochBytes)), verified: verified.value, channels }
}
