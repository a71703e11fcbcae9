/** Opens a connection again and again: jittered backoff, the server's word, the cursor carried. */
import { backoffFirstMsMax, backoffMs } from '../shared/backoff.js'
import type { Clock } from './clock.js'
import { progressFrom } from './progress.js'
import { systemClock } from './system-clock.js'
import type {
  ClosedEvent,
  Connection,
  ConnectionEvent,
  ConnectionRequest,
  Progress,
  Transport,
} from './transport.js'

/** Time and chance, injected. */
export interface Pace {
  readonly clock: Clock
  /** 0 to 1, as `Math.random`. */
  readonly random: () => number
}

/** A connection that lived this long was a good one: the next failure is a first one again. */
const goodAfterMs = 10_000

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
  #failures = 0
  #welcomedAt: number | undefined

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
    this.#welcomedAt = undefined
    const cursor = this.#cursor
    const progress = this.#progress
    const request = { ...this.#request, progress, ...(cursor !== undefined && { cursor }) }
    this.#current = this.#transport.open(request, (event) => this.#hear(event))
  }

  #hear(event: ConnectionEvent): void {
    if (event.type === 'welcome') this.#welcomedAt ??= this.#pace.clock.now()
    if (event.type === 'closed') this.#lose(event)
    else this.#onEvent(event)
  }

  #lose(event: ClosedEvent): void {
    this.#cursor = this.cursor
    this.#current = undefined
    if (!event.retryable) return this.#onEvent(event)
    const delayMs = this.#nextDelayMs(event)
    this.#cancelWait = this.#pace.clock.after(delayMs, () => this.#open())
    this.#onEvent({ ...event, retryAfterMs: delayMs })
  }

  #nextDelayMs(event: ClosedEvent): number {
    const { clock, random } = this.#pace
    const wasGood = this.#welcomedAt !== undefined && clock.now() - this.#welcomedAt >= goodAfterMs
    if (wasGood) this.#failures = 0
    const attempt = this.#failures
    this.#failures = Math.min(attempt + 1, 16)
    // A token that ran out is in nobody's way: a new one may be shown at once, but not in a circle.
    if (event.code === 'token_expired' && attempt === 0) return 0
    if (event.retryAfterMs === undefined) return backoffMs(attempt, random())
    // Seconds are coarse: without chance all who were told the same second would come together.
    return event.retryAfterMs + random() * backoffFirstMsMax
  }
}
