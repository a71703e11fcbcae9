/** The server's WebSocket frames (RFC 6455, 5.2) out of TCP segments that split them anywhere. */

export const opcode = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** `start` and `end` bound the payload within `bytes`, which is valid only during the call. */
export type FrameHandler = (code: number, bytes: Buffer, start: number, end: number) => void

const payloadBytesMax = 16 * 1024 * 1024

export class WebSocketReader {
  /** The beginning of a frame whose end has not come yet. */
  #rest: Buffer | undefined

  /** Whole frames are handed over where they lie: reading must cost the client next to nothing. */
  read(segment: Buffer, handle: FrameHandler): void {
    const bytes = this.#rest === undefined ? segment : Buffer.concat([this.#rest, segment])
    let start = 0
    while (start < bytes.length) {
      const end = readFrame(bytes, start, handle)
      if (end === undefined) break
      start = end
    }
    // A copy: the segment's memory is used again for the next one.
    this.#rest = start < bytes.length ? Buffer.from(bytes.subarray(start)) : undefined
  }
}

/** Where the frame ends; undefined if it has not wholly come. */
function readFrame(bytes: Buffer, start: number, handle: FrameHandler): number | undefined {
  if (bytes.length < start + 2) return undefined
  const first = bytes[start] as number
  const second = bytes[start + 1] as number
  if ((second & 0x80) !== 0) throw new Error('a server must not mask its frames (RFC 6455, 5.1)')
  if ((first & 0x80) === 0) throw new Error('no fragmented frame was expected')
  let payload = start + 2
  let length = second
  if (second === 126) {
    payload += 2
    if (bytes.length < payload) return undefined
    length = bytes.readUInt16BE(start + 2)
  } else if (second === 127) {
    payload += 8
    if (bytes.length < payload) return undefined
    length = Number(bytes.readBigUInt64BE(start + 2))
    if (length > payloadBytesMax) throw new Error(`a frame of ${length} bytes was not expected`)
  }
  const end = payload + length
  if (bytes.length < end) return undefined
  handle(first & 0x0f, bytes, payload, end)
  return end
}

/** A client's control frame. The mask is zero: it must be there, not be random, on loopback. */
export function controlFrame(code: number, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x80 | code, 0x80 | payload.length, 0, 0, 0, 0]), payload])
}

/** A client's text frame, the mask as above. */
export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text)
  const { length } = payload
  if (length > 65_535) throw new Error(`a frame of ${length} bytes was not expected`)
  const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([0x81, ...size, 0, 0, 0, 0]), payload])
}
