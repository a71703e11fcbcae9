/** What every connection promises: one `closed`, nothing after it, and nothing after `close()`. */
import type { ClosedEvent, Connection, ConnectionEvent, ConnectionRequest } from './transport.js'

export abstract class SingleConnection implements Connection {
  cursor: string | undefined
  protected readonly request: ConnectionRequest
  readonly #onEvent: (event: ConnectionEvent) => void
  #isClosed = false

  constructor(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void) {
    this.request = request
    this.#onEvent = onEvent
  }

  get isClosed(): boolean {
    return this.#isClosed
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
