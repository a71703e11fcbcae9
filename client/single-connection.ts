/** What every connection promises: each once, no loss in silence, and nothing after `closed`. */
import { Cancellation } from './cancellation.js'
import type { Place } from './progress.js'
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
const welcomeWithinMs = 10_000
/** Who is asked whether he is there answers within this. */
const answerWithinMs = 5_000

export abstract class SingleConnection implements Connection {
  protected readonly request: ConnectionRequest
  /** Over when the connection is. */
  protected readonly life: Cancellation = new Cancellation()
  readonly #onEvent: (event: ConnectionEvent) => void
  readonly #ended = new Set<string>()
  #heardAt = 0
  #silenceMsMax = welcomeWithinMs
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
    this.watchSilence()
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

  /** From when it is open. A peer that vanished without a word is noticed by missing heartbeats. */
  protected watchSilence(heartbeatSeconds?: number): void {
    const { clock } = this.request.gateway.pace
    if (heartbeatSeconds !== undefined) this.#silenceMsMax = heartbeatSeconds * 2000
    this.#cancelSilence()
    const leftMs = this.#heardAt + this.#silenceMsMax - clock.now()
    if (leftMs > 0) this.#cancelSilence = clock.after(leftMs, () => this.watchSilence())
    else this.fail('connection_silent', `nothing was heard for ${this.#silenceMsMax / 1000} s`)
  }

  /** What an event stream or poll asks for. */
  protected question(): object {
    const { channels, last, progress } = this.request
    const places: Record<string, Place> = {}
    for (const name of channels) {
      const place = progress.placeToShow(name)
      if (place !== undefined) places[name] = place
    }
    const [first] = Object.values(places)
    // A cursor may cover channels that are to begin anew: those have no place.
    const isShared = channels.every((name) => places[name] === first)
    const from = isShared && typeof first === 'string' ? { cursor: first } : { positions: places }
    return { channels, last, ...from }
  }

  /** The token may subscribe others. Nobody holds those, and their places are not shown. */
  protected isOurs({
    channel,
    pattern = channel,
  }: Pick<Publication, 'channel' | 'pattern'>): boolean {
    return this.request.channels.includes(pattern)
  }

  /** It has begun, by event stream or poll, with all channels at once. */
  protected greet(): void {
    const { channels } = this.request
    this.emit({ type: 'welcome', subscriptions: channels })
    for (const channel of channels) {
      if (this.request.progress.isCutOff(channel)) this.missed(channel)
    }
    this.emit({ type: 'ready' })
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
    this.end({ code: 'ended', message: 'all channels have ended', retryable: false })
  }

  /** What cannot be read was not written by a gateway: a fresh connection may fare better. */
  protected parse(text: string): unknown {
    try {
      return JSON.parse(text)
    } catch (error) {
      this.fail('protocol_error', String(error))
      return undefined
    }
  }
}
