/** What every connection promises: each once, no loss in silence, and nothing after `closed`. */
import type { Link } from './chain.js'
import { progressFrom } from './progress.js'
import type {
  ClosedEvent,
  Connection,
  ConnectionEvent,
  ConnectionRequest,
  GapEvent,
  Progress,
  Publication,
} from './transport.js'

export abstract class SingleConnection implements Connection {
  abstract readonly cursor: string | undefined
  protected readonly progress: Progress
  protected readonly request: ConnectionRequest
  readonly #onEvent: (event: ConnectionEvent) => void
  readonly #ended = new Set<string>()
  #isClosed = false

  constructor(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void) {
    this.request = request
    this.#onEvent = onEvent
    this.progress = request.progress ?? progressFrom(request.cursor, request.channels)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Most transports name their channels in the request. */
  update(_channels: readonly string[]): boolean {
    return false
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.release()
  }

  /** Lets go of socket and timers. Called exactly once. */
  protected abstract release(): void

  protected emit(event: Exclude<ConnectionEvent, ClosedEvent>): void {
    if (!this.#isClosed) this.#onEvent(event)
  }

  protected end(event: Omit<ClosedEvent, 'type'>): void {
    if (this.#isClosed) return
    this.close()
    this.#onEvent({ type: 'closed', ...event })
  }

  /** How it follows what came before. If it is broken, the connection is over. */
  protected linkOf(publication: Publication): Link {
    const link = this.progress.chain.check(publication)
    if (link !== 'broken') return link
    const { channel, offset } = publication
    const message = `something before offset ${offset} of ${channel} has not come`
    // Coming back brings it, from the position before it.
    this.end({ code: 'chain_broken', message, retryable: true })
    return link
  }

  /** A duplicate is not heard. */
  protected take(publication: Publication): void {
    if (!this.progress.chain.add(publication)) return
    this.#ended.delete(publication.channel)
    this.emit({ type: 'publication', publication })
  }

  protected lose(gap: GapEvent): void {
    this.progress.chain.gap(gap)
    this.emit(gap)
  }

  /** Told once. */
  protected endChannel(channel: string): void {
    if (this.#ended.has(channel)) return
    this.#ended.add(channel)
    this.emit({ type: 'ended', channel })
  }

  /** Not if there are none: who took the last one away may add others. */
  protected haveEnded(names: readonly string[]): boolean {
    return names.length > 0 && names.every((name) => this.#ended.has(name))
  }

  /** A later subscription of this name is a new one, and nothing of this one counts for it. */
  protected forget(name: string): void {
    this.progress.positions.forget(name)
    this.progress.chain.forget(name)
    this.#ended.delete(name)
  }

  /** All have: there is nothing to come back for. */
  protected endAll(): void {
    this.end({ code: 'ended', message: 'all channels have ended', retryable: false })
  }

  /** What cannot be read was not written by a gateway: a fresh connection may fare better. */
  protected parse(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch (error) {
      this.end({ code: 'protocol_error', message: String(error), retryable: true })
      return undefined
    }
  }

  /** Undefined if the connection ended meanwhile, or ends now because there is no token. */
  protected async fetchToken(): Promise<string | undefined> {
    try {
      const token = await this.request.token()
      return this.#isClosed ? undefined : token
    } catch (error) {
      this.end({ code: 'token_unavailable', message: String(error), retryable: true })
      return undefined
    }
  }
}
