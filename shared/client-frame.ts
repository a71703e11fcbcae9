/** What a client may send: the check of a decoded value, for JSON and MessagePack (PROTOCOL 4). */
import { isChannel, type Channel } from './channel.js'
import type { ClientFrame, PublishRequest, SubscribeFrame } from './frames.js'
import { limits } from './limits.js'
import { isMembers, member, type Members } from './members.js'
import { isPattern, type Pattern } from './pattern.js'
import { readShownPosition } from './shown-position.js'

export type FrameResult =
  | { readonly ok: true; readonly frame: ClientFrame }
  | { readonly ok: false; readonly id?: number; readonly message: string }

export type PublishResult =
  | { readonly ok: true; readonly request: PublishRequest }
  | { readonly ok: false; readonly message: string }

export interface Payload {
  /** A copy of its own: the bytes of the frame are gone when the transport's callback returns. */
  readonly payload: Uint8Array
  readonly contentType?: string
}

/** Finds the payload of a publish frame or body; a string says what is wrong with it. */
export type PayloadReader = (members: Members) => Payload | string

export const frameIdMax = 2_147_483_647
export const idempotencyKeyLengthMax = 128
export const contentTypeLengthMax = 256

const quotedLengthMax = 40
const visibleAscii = /^[\x21-\x7e]+$/
// RFC 9110, section 8.3.1; nothing in it may break out of a header line.
const mediaType = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+(?:[ \t]*;[\x20-\x7e\t]*)?$/

export function readClientFrame(value: unknown, readPayload: PayloadReader): FrameResult {
  if (!isMembers(value)) return { ok: false, message: 'a frame must be an object' }
  const id = member(value, 'id')
  if (id !== undefined && !isFrameId(id)) {
    return { ok: false, message: `id must be an integer from 0 to ${frameIdMax}` }
  }
  const frame = readTyped(value, id, readPayload)
  if (typeof frame !== 'string') return { ok: true, frame }
  return id === undefined ? { ok: false, message: frame } : { ok: false, id, message: frame }
}

/** The body of `POST /v1/publish`: a publish frame without `type` and `id` (PROTOCOL 8). */
export function readPublishRequest(value: unknown, readPayload: PayloadReader): PublishResult {
  if (!isMembers(value)) return { ok: false, message: 'the body must be an object' }
  const request = readRequest(value, readPayload)
  return typeof request === 'string' ? { ok: false, message: request } : { ok: true, request }
}

/** A media type that may stand in a header line. */
export function isContentType(value: unknown): value is string {
  return typeof value === 'string' && value.length <= contentTypeLengthMax && mediaType.test(value)
}

function readTyped(
  value: Members,
  id: number | undefined,
  readPayload: PayloadReader,
): ClientFrame | string {
  const type = member(value, 'type')
  if (type === 'ping') return id === undefined ? { type } : { type, id }
  if (typeof type !== 'string') return 'type must be a string'
  if (!isRequestType(type)) return `unknown frame type ${quote(type)}`
  if (id === undefined) return `a ${type} frame needs an id`
  switch (type) {
    case 'subscribe':
      return readSubscribe(value, id)
    case 'unsubscribe': {
      const channel = member(value, 'channel')
      return isChannelOrPattern(channel) ? { type, id, channel } : notChannel(channel, true)
    }
    case 'publish': {
      const request = readRequest(value, readPayload)
      return typeof request === 'string' ? request : { type, id, ...request }
    }
    case 'refresh': {
      const token = member(value, 'token')
      if (typeof token !== 'string' || token === '') return 'token must be a string'
      return { type, id, token }
    }
  }
}

function readSubscribe(value: Members, id: number): SubscribeFrame | string {
  const channel = member(value, 'channel')
  if (!isChannelOrPattern(channel)) return notChannel(channel, true)
  const shown = member(value, 'position')
  const position = shown === undefined ? undefined : readShownPosition(shown)
  if (typeof position === 'string') return position
  const last = member(value, 'last')
  if (last !== undefined && !isLast(last))
    return `last must be an integer from 1 to ${limits.lastMax}`
  const frame = { type: 'subscribe', id, channel } as const
  return {
    ...frame,
    ...(position === undefined ? {} : { position }),
    ...(last === undefined ? {} : { last }),
  }
}

/** How many of the newest publications a subscription may begin with, by frame or query. */
export function isLast(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= limits.lastMax
}

function readRequest(value: Members, readPayload: PayloadReader): PublishRequest | string {
  const channel = member(value, 'channel')
  if (typeof channel !== 'string' || !isChannel(channel)) return notChannel(channel, false)
  const idempotencyKey = member(value, 'idempotencyKey')
  if (idempotencyKey !== undefined && !isIdempotencyKey(idempotencyKey)) {
    return `idempotencyKey must be 1 to ${idempotencyKeyLengthMax} visible ASCII characters`
  }
  const payload = readPayload(value)
  if (typeof payload === 'string') return payload
  return idempotencyKey === undefined
    ? { channel, ...payload }
    : { channel, ...payload, idempotencyKey }
}

function isRequestType(type: string): type is 'subscribe' | 'unsubscribe' | 'publish' | 'refresh' {
  return type === 'subscribe' || type === 'unsubscribe' || type === 'publish' || type === 'refresh'
}

function isFrameId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= frameIdMax
}

function isChannelOrPattern(value: unknown): value is Channel | Pattern {
  return typeof value === 'string' && (isChannel(value) || isPattern(value))
}

function isIdempotencyKey(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > idempotencyKeyLengthMax) return false
  return visibleAscii.test(value)
}

function notChannel(value: unknown, mayBePattern: boolean): string {
  if (typeof value !== 'string') return 'channel must be a string'
  return `${quote(value)} is not a channel${mayBePattern ? ' or pattern' : ''}`
}

/** At most 40 characters of what came, on one line. */
function quote(text: string): string {
  const isLong = text.length > quotedLengthMax
  return JSON.stringify(isLong ? `${text.slice(0, quotedLengthMax)}…` : text)
}
