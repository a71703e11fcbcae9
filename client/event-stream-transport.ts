/** Server-Sent Events by `fetch`, so that the token travels in a header (PROTOCOL 6). */
import { EventStreamConnection, type ParseJson } from './event-stream-connection.js'
import type { Connection, ConnectionEvent, ConnectionRequest, Transport } from './transport.js'

/** For where WebSockets are blocked, and streams get through. */
export class EventStreamTransport implements Transport {
  readonly name = 'event-stream'
  readonly #parse: ParseJson

  /** @param parse by default `JSON.parse`, which rounds integers beyond 2^53 */
  constructor(parse: ParseJson = JSON.parse) {
    this.#parse = parse
  }

  /** @internal */
  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    return new EventStreamConnection(request, onEvent, this.#parse)
  }
}
