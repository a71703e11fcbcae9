/** How frames are written on a WebSocket: JSON here, MessagePack in an entry point of its own. */

export interface FrameCodec {
  /** The subprotocol (PROTOCOL 4.1). */
  readonly protocol: string
  /** A frame as a WebSocket sends it. */
  encode(frame: object): string | Uint8Array<ArrayBuffer>
  /** Throws for what is no frame. */
  decode(data: unknown): unknown
}

export const jsonCodec: FrameCodec = {
  protocol: 'tidegate.v1.json',
  encode: JSON.stringify,
  decode: (data) => JSON.parse(data as string) as unknown,
}
