/** Both subprotocols, for tests whose promise holds in either. */
import type { ReceivedFrame } from './websocket-client.js'

export interface TestFormat {
  readonly name: string
  readonly subprotocol: string
  readonly isBinary: boolean
  /** What a publish frame carries as `data` for these bytes of JSON. */
  data(json: string): unknown
  /** The payload of a publication, as the text that it is. */
  text(frame: ReceivedFrame): string
}

export const testFormats: readonly TestFormat[] = [
  {
    name: 'JSON',
    subprotocol: 'tidegate.v1.json',
    isBinary: false,
    data: (json) => JSON.parse(json) as unknown,
    text: ({ data }) => JSON.stringify(data),
  },
  {
    name: 'MessagePack',
    subprotocol: 'tidegate.v1.msgpack',
    isBinary: true,
    data: (json) => Buffer.from(json),
    text: ({ data }) => Buffer.from(data as Uint8Array).toString(),
  },
]
