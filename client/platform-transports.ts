/** The transports that the platform has means for, in the order in which they are tried. */
import { EventStreamTransport } from './event-stream-transport.js'
import { LongPollTransport } from './long-poll-transport.js'
import type { Transport } from './transport.js'
import { WebSocketTransport } from './websocket-transport.js'

/** `fetch` is everywhere. */
export function platformTransports(): readonly Transport[] {
  return [
    ...('WebSocket' in globalThis ? [new WebSocketTransport()] : []),
    new EventStreamTransport(),
    new LongPollTransport(),
  ]
}
