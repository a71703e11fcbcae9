/** The transports as Node 20 has them: the WebSocket is that of `ws`. */
import { WebSocket } from 'ws'
import { EventStreamTransport } from '../event-stream-transport.js'
import { LongPollTransport } from '../long-poll-transport.js'
import type { Transport } from '../transport.js'
import { WebSocketTransport, type Socket } from '../websocket-transport.js'

export function openNodeSocket(url: string, protocols: string[]): Socket {
  return new WebSocket(url, protocols)
}

export const nodeTransports: readonly Transport[] = [
  new WebSocketTransport(openNodeSocket),
  new EventStreamTransport(),
  new LongPollTransport(),
]
