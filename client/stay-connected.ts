/** Opens a connection again and again: jittered backoff, the server's word, the cursor carried. */
import { progressFrom } from './progress.js'
import { ReconnectPace, type Pace } from './reconnect-pace.js'
import { systemClock } from './system-clock.js'
import type {
  ClosedEvent,
  Connection,
  ConnectionEvent,
  ConnectionRequest,
  Progress,
  Transport,
} from './transport.js'

/**
 * Holds a connection until `close()`, or until the server says that coming back makes no sense.
 * Every `closed` that is retryable names in `retryAfterMs` when the next attempt is made.
 */
export function stayConnected(
  transport: Transport,
  request: ConnectionRequest,
  onEvent: (event: ConnectionEvent) => void,
  pace: Pace = { clock: systemClock, random: Math.random },
): Connection {
  return new LastingConnection(transport, request, onEvent, pace)
}

class LastingConnection implements Connection {
  readonly #transport: Transport
  #request: ConnectionRequest
  readonly #onEvent: (event: ConnectionEvent) => void
  readonly #pace: Pace
  readonly #progress: Progress
  #current: Connection | undefined
  #cursor: string | undefined
  #cancelWait: () => void = () => undefined
  readonly #reconnect: ReconnectPace

  constructor(
    transport: Transport,
    request: ConnectionRequest,
    onEvent: (event: ConnectionEvent) => void,
    pace: Pace,
  ) {
    this.#transport = transport
    this.#request = request
    this.#onEvent = onEvent
    this.#pace = pace
    this.#reconnect = new ReconnectPace(pace)
    this.#cursor = request.cursor
    this.#progress = progressFrom(request.cursor, request.channels)
    this.#open()
  }

  get cursor(): string | undefined {
    return this.#current === undefined ? this.#cursor : this.#current.cursor
  }

  update(channels: readonly string[]): boolean {
    if (!this.#current?.update(channels)) return false
    this.#request = { ...this.#request, channels }
    return true
  }

  close(): void {
    this.#cancelWait()
    this.#current?.close()
  }

  #open(): void {
    this.#reconnect.opens()
    const cursor = this.#cursor
    const progress = this.#progress
    const request = { ...this.#request, progress, ...(cursor !== undefined && { cursor }) }
    this.#current = this.#transport.open(request, (event) => this.#hear(event))
  }

  #hear(event: ConnectionEvent): void {
    if (event.type === 'welcome') this.#reconnect.welcomed()
    if (event.type === 'closed') this.#lose(event)
    else this.#onEvent(event)
  }

  #lose(event: ClosedEvent): void {
    this.#cursor = this.cursor
    this.#current = undefined
    if (!event.retryable) return this.#onEvent(event)
    const delayMs = this.#reconnect.nextDelayMs(event)
    this.#cancelWait = this.#pace.clock.after(delayMs, () => this.#open())
    this.#onEvent({ ...event, retryAfterMs: delayMs })
  }
}
