/** The two WebSocket subprotocols: how each reads and writes frames (PROTOCOL 4). */
import type { Publication } from '../hub/publication.js'
import type { FrameResult } from '../shared/client-frame.js'
import type { ServerFrame } from '../shared/frames.js'
import { decodeJsonFrame, encodeJsonFrame } from '../shared/json-codec.js'
import {
  decodeMsgpackFrame,
  encodeMsgpackFrame,
  encodePublicationMsgpack,
} from '../shared/msgpack-codec.js'
import { encodePublicationJson } from '../shared/publication-json.js'

export interface WireFormat {
  readonly subprotocol: string
  readonly isBinary: boolean
  readonly heartbeat: Uint8Array
  decode(bytes: Uint8Array): FrameResult
  encode(frame: ServerFrame): Uint8Array
  /** Encoded when the first subscriber needs it, then shared by all. */
  publication(publication: Publication): Uint8Array
}

export function publicationJson(publication: Publication): Uint8Array {
  return (publication.encoded[0] ??= encodePublicationJson(publication))
}

export const jsonFormat: WireFormat = {
  subprotocol: 'tidegate.v1.json',
  isBinary: false,
  heartbeat: encodeJsonFrame({ type: 'heartbeat' }),
  decode: decodeJsonFrame,
  encode: encodeJsonFrame,
  publication: publicationJson,
}

export const msgpackFormat: WireFormat = {
  subprotocol: 'tidegate.v1.msgpack',
  isBinary: true,
  heartbeat: encodeMsgpackFrame({ type: 'heartbeat' }),
  decode: decodeMsgpackFrame,
  encode: encodeMsgpackFrame,
  publication: (publication) => (publication.encoded[1] ??= encodePublicationMsgpack(publication)),
}

/** The first of the client's subprotocols that we speak; JSON where it names none of ours. */
export function chooseFormat(subprotocols: readonly string[]): WireFormat {
  const formats = [jsonFormat, msgpackFormat]
  for (const offered of subprotocols) {
    const format = formats.find(({ subprotocol }) => subprotocol === offered)
    if (format !== undefined) return format
  }
  return jsonFormat
}
