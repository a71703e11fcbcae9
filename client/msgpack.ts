/** Frames as MessagePack on a WebSocket, payloads as bytes (PROTOCOL 4.3, 5.4). */
import { Packr, Unpackr } from 'msgpackr'
import type { PublicationFrame } from '../shared/frames.js'
import type { FrameCodec } from './frame-codec.js'

const packr = new Packr({ useRecords: false, variableMapSize: true })
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' })
const decoder = new TextDecoder()

/**
 * Give it to a transport: `new WebSocketTransport(openSocket, msgpackCodec)`. What is no JSON comes
 * as it is: a publication with a `contentType` has a `Uint8Array` as its `data`. Needs `msgpackr`.
 */
export const msgpackCodec: FrameCodec = {
  protocol: 'tidegate.v1.msgpack',
  // As JSON would have it: without what is undefined, for which MessagePack has an extension.
  encode: (frame) => packr.pack(JSON.parse(JSON.stringify(frame))) as Uint8Array<ArrayBuffer>,
  decode(data) {
    const frame = unpackr.unpack(new Uint8Array(data as ArrayBuffer)) as PublicationFrame
    if (frame.type !== 'publication' || frame.contentType !== undefined) return frame
    return { ...frame, data: JSON.parse(decoder.decode(frame.data as Uint8Array)) as unknown }
  },
}
