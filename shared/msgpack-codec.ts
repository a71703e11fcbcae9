/** The MessagePack form, `tidegate.v1.msgpack`: the same keys, payloads as bytes (PROTOCOL 4). */
import { Packr, Unpackr } from 'msgpackr'
import { isContentType, readClientFrame, type FrameResult, type Payload } from './client-frame.js'
import type { ServerFrame } from './frames.js'
import { defaultContentType, isJsonPayload } from './json-payload.js'
import { member, type Members } from './members.js'
import { msgpackFault } from './msgpack-guard.js'
import type { EncodablePublication } from './publication-json.js'

// Plain maps, which every language reads; numbers that do not fit 32 bits are 64-bit floats.
const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })
const dataKey = packr.pack('data') as Uint8Array

/** Reads one binary frame. Never throws; what it returns does not refer to `bytes`. */
export function decodeMsgpackFrame(bytes: Uint8Array): FrameResult {
  const fault = msgpackFault(bytes)
  if (fault !== undefined)
    return { ok: false, message: `the frame is not plain MessagePack: ${fault}` }
  let value: unknown
  try {
    value = unpackr.unpack(bytes)
  } catch {
    return { ok: false, message: 'the frame is not MessagePack' }
  }
  return readClientFrame(value, readPayload)
}

export function encodeMsgpackFrame(frame: ServerFrame): Uint8Array {
  return packr.pack(frame) as Uint8Array
}

/** The `publication` frame (PROTOCOL 5.4): `data` is last, so that the payload is copied once. */
export function encodePublicationMsgpack(publication: EncodablePublication): Uint8Array {
  const { channel, pattern, time, sender, contentType, payload } = publication
  const { offset = 0, previous = 0 } = publication
  const members: Record<string, unknown> = { type: 'publication', channel }
  if (pattern !== undefined) members['pattern'] = pattern
  if (offset > 0) members['offset'] = offset
  if (previous > 0) members['previous'] = previous
  members['time'] = time
  if (sender !== undefined) members['sender'] = sender
  if (!isJsonPayload(contentType, payload)) {
    members['contentType'] = contentType ?? defaultContentType
  }
  const head = packr.pack(members) as Uint8Array
  const lengthBytes = binHeader(payload.length)
  const out = new Uint8Array(head.length + dataKey.length + lengthBytes.length + payload.length)
  out.set(head)
  // A map of fewer than 15 members begins with 0x80 and their number: `data` is one more.
  out[0] = (head[0] as number) + 1
  out.set(dataKey, head.length)
  out.set(lengthBytes, head.length + dataKey.length)
  out.set(payload, out.length - payload.length)
  return out
}

function readPayload(members: Members): Payload | string {
  const data = member(members, 'data')
  const contentType = member(members, 'contentType')
  if (!(data instanceof Uint8Array)) return 'data must be binary'
  if (contentType !== undefined && !isContentType(contentType)) return 'contentType is not valid'
  // The frame's bytes are gone when the transport's callback returns: copy.
  const payload = new Uint8Array(data)
  return contentType === undefined ? { payload } : { payload, contentType }
}

function binHeader(length: number): readonly number[] {
  if (length < 0x100) return [0xc4, length]
  if (length < 0x10000) return [0xc5, length >>> 8, length & 255]
  return [0xc6, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255]
}
