/** Polling: one event stream after another, each ends when it has said something (PROTOCOL 6.9). */
import { EventStreamConnection, type PollPace } from './event-stream-connection.js'
import type { Connection, ConnectionEvent, ConnectionRequest, Transport } from './transport.js'

/** The gateway holds each request until something comes, for 25 s at most. */
export const longPollPace: PollPace = { waitSeconds: 25, intervalMs: 0 }
/** Asks once a second, for where requests must not hang. */
export const shortPollPace: PollPace = { waitSeconds: 0, intervalMs: 1000 }

/** For where streams are held back until they end. */
export class LongPollTransport implements Transport {
  readonly name: 'long-poll' | 'short-poll'
  readonly #pace: PollPace

  /** @param pace `longPollPace` by default; one that does not wait makes it a short poll */
  constructor(pace: PollPace = longPollPace) {
    this.name = pace.waitSeconds === 0 ? 'short-poll' : 'long-poll'
    this.#pace = pace
  }

  /** @internal */
  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    return new EventStreamConnection(request, onEvent, JSON.parse, this.#pace)
  }
}
