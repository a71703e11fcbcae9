/** What every connection promises: each once, no loss in silence, and nothing after `closed`. */
import { Cancellation } from './cancellation.js'
import type { Refusal } from './tidegate-error.js'
import type {
  ClosedEvent,
  Connection,
  ConnectionEvent,
  ConnectionRequest,
  GapEvent,
  Publication,
} from './transport.js'

/** A socket or stream that opens may be held back by what stands before it: this is not long. */
export const welcomeMsMax = 10_000
/** Who is asked whether he is there answers within this. */
const answerWithinMs = 5_000

export abstract class SingleConnection implements Connection {
  protected readonly request: ConnectionRequest
  /** Over when the connection is. */
  protected readonly life: Cancellation = new Cancellation()
  readonly #onEvent: (event: ConnectionEvent) => void
  readonly #ended = new Set<string>()
  #heardAt = 0
  #silenceMsMax = 0
  #cancelSilence: () => void = () => undefined

  constructor(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void) {
    this.request = request
    this.#onEvent = onEvent
  }

  get isClosed(): boolean {
    return this.life.signal.aborted
  }

  /** Most transports name their channels in the request. */
  update(_channels: readonly string[]): boolean {
    return false
  }

  check(): void {
    const { clock } = this.request.gateway.pace
    this.#heardAt = Math.min(this.#heardAt, clock.now() + answerWithinMs - this.#silenceMsMax)
    this.#watch()
  }

  close(): void {
    if (this.isClosed) return
    this.life.cancel(undefined)
    this.#cancelSilence()
    this.release()
  }

  /** Lets go of socket and timers. Called exactly once. */
  protected abstract release(): void

  protected emit(event: Exclude<ConnectionEvent, ClosedEvent>): void {
    if (!this.isClosed) this.#onEvent(event)
  }

  protected end({ code, message, retryable, retryAfterMs }: Refusal): void {
    if (this.isClosed) return
    this.close()
    this.#onEvent({ type: 'closed', code, message, retryable, retryAfterMs })
  }

  /** What cannot be gone on with, but may be after coming back. */
  protected fail(code: string, message: string): void {
    this.end({ code, message, retryable: true })
  }

  protected heard(): void {
    this.#heardAt = this.request.gateway.pace.clock.now()
  }

  /** A peer that vanished without a word is noticed by what does not come. */
  protected watchSilence(silenceMsMax: number): void {
    this.heard()
    this.#silenceMsMax = silenceMsMax
    this.#watch()
  }

  /** Of an ephemeral channel, what came while there was no connection. */
  protected missed(channel: string): void {
    this.lose({ type: 'gap', channel, reason: 'not_subscribed' })
  }

  /** A duplicate is not heard. False: something is missing, and the connection is over. */
  protected take(publication: Publication): boolean {
    const link = this.request.progress.take(publication)
    const { channel, offset } = publication
    if (link === 'next') {
      this.#ended.delete(channel)
      this.emit({ type: 'publication', publication })
    } else if (link === 'broken') {
      // Coming back brings it, from the place before it.
      this.fail('chain_broken', `something before offset ${offset} of ${channel} has not come`)
    }
    return link !== 'broken'
  }

  protected lose(gap: GapEvent): void {
    this.request.progress.gap(gap)
    this.emit(gap)
  }

  /** Told once. */
  protected endChannel(channel: string): void {
    if (this.#ended.has(channel)) return
    this.#ended.add(channel)
    this.emit({ type: 'ended', channel })
  }

  /** A later subscription of this name is a new one. */
  protected forgetEnd(name: string): void {
    this.#ended.delete(name)
  }

  /** If all have, there is nothing to come back for. Not if there are none: others may come. */
  protected endIfAllHave(names: readonly string[]): void {
    if (names.length > 0 && names.every((name) => this.#ended.has(name))) this.endAll()
  }

  protected endAll(): void {
    this.end({ code: 'ended', message: 'all have ended', retryable: false })
  }

  #watch(): void {
    const { clock } = this.request.gateway.pace
    this.#cancelSilence()
    this.#heardAt = Math.min(this.#heardAt, clock.now())
    const leftMs = this.#heardAt + this.#silenceMsMax - clock.now()
    if (leftMs > 0) this.#cancelSilence = clock.after(leftMs, () => this.#watch())
    else this.fail('connection_silent', 'nothing is heard')
  }
}
