/** The JSON form: frames of `tidegate.v1.json`, and the body of `POST /v1/publish` (PROTOCOL 4). */
import { decodeBase64 } from './base64.js'
import {
  isContentType,
  readClientFrame,
  readPublishRequest,
  type FrameResult,
  type Payload,
  type PublishResult,
} from './client-frame.js'
import type { ServerFrame } from './frames.js'
import { defaultContentType, parseJson } from './json-payload.js'
import { member, type Members } from './members.js'
import { rawMember } from './raw-member.js'

const encoder = new TextEncoder()

/** Reads the bytes of one text frame. Never throws; what it returns does not refer to `bytes`. */
export function decodeJsonFrame(bytes: Uint8Array): FrameResult {
  const parsed = parseJson(bytes)
  if (!parsed.ok) return { ok: false, message: `the frame is ${parsed.message}` }
  return readClientFrame(parsed.value, (members) => readPayload(bytes, members))
}

/** Reads the body of `POST /v1/publish`. */
export function decodePublishBody(bytes: Uint8Array): PublishResult {
  const parsed = parseJson(bytes)
  if (!parsed.ok) return { ok: false, message: `the body is ${parsed.message}` }
  return readPublishRequest(parsed.value, (members) => readPayload(bytes, members))
}

export function encodeJsonFrame(frame: ServerFrame): Uint8Array {
  return encoder.encode(JSON.stringify(frame))
}

/** `data` is taken as it was written: large integers and the order of keys survive. */
function readPayload(bytes: Uint8Array, members: Members): Payload | string {
  const hasData = Object.hasOwn(members, 'data')
  const base64 = member(members, 'base64')
  const contentType = member(members, 'contentType')
  if (hasData === (base64 !== undefined)) return 'either data or base64 is required'
  if (hasData) {
    if (contentType !== undefined) return 'contentType goes with base64; data is JSON'
    const raw = rawMember(bytes, 'data')
    return raw === undefined ? 'data is missing' : { payload: new Uint8Array(raw) }
  }
  if (contentType !== undefined && !isContentType(contentType)) return 'contentType is not valid'
  const payload = typeof base64 === 'string' ? decodeBase64(base64) : undefined
  if (payload === undefined) return 'base64 must be a string of base64 with padding'
  return { payload, contentType: contentType ?? defaultContentType }
}
