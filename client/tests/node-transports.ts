/** The transports with the sockets and streams of npm packages, where the platform has none. */
import { EventSource } from 'eventsource'
import { WebSocket } from 'ws'
import { EventStreamTransport, type EventStream } from '../event-stream-transport.js'
import { LongPollTransport } from '../long-poll-transport.js'
import { systemClock } from '../system-clock.js'
import type { Transport } from '../transport.js'
import { WebSocketTransport } from '../websocket-transport.js'

export function openNodeStream(url: string): EventStream {
  const source = new EventSource(url)
  return {
    get readyState() {
      return source.readyState
    },
    addEventListener(type, listener) {
      source.addEventListener(type, (event) => {
        listener('data' in event ? (event as { data: string; lastEventId: string }) : {})
      })
    },
    close: () => source.close(),
  }
}

export const nodeTransports: readonly Transport[] = [
  new WebSocketTransport(systemClock, (url, protocols) => new WebSocket(url, protocols)),
  new EventStreamTransport(systemClock, openNodeStream),
  new LongPollTransport(),
]
