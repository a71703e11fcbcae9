/** One connection for all channels that are wanted, by the transport that works. */
import { decodeCursor, type Cursor } from '../shared/cursor.js'
import { positionInCursor } from '../shared/cursor-positions.js'
import { moveTo, progressFrom } from './progress.js'
import { ReconnectPace, type Pace } from './reconnect-pace.js'
import type { Probe } from './probe.js'
import { TransportChoice } from './transport-choice.js'
import type {
  ClosedEvent,
  Connection,
  ConnectionEvent,
  ConnectionRequest,
  Progress,
  Transport,
  TransportName,
} from './transport.js'

export type SessionState =
  /** Nothing is wanted, so there is no connection. */
  | { readonly type: 'idle' }
  | { readonly type: 'connecting'; readonly transport: TransportName }
  | { readonly type: 'connected'; readonly transport: TransportName }
  | {
      readonly type: 'waiting'
      readonly code: string
      readonly message: string
      /** When it tries again, in ms since 1970. */
      readonly until: number
    }
  /** For good: by `close()` (code `closed`), or because only the application can mend it. */
  | { readonly type: 'closed'; readonly code: string; readonly message: string }

export interface SessionOptions {
  readonly url: string
  readonly token: () => Promise<string>
  /** Tried in this order. */
  readonly transports: readonly Transport[]
  readonly last?: number
  readonly cursor?: string
  readonly probe: Probe
  readonly pace: Pace
}

export interface SessionListener {
  event(event: Exclude<ConnectionEvent, ClosedEvent>): void
  state(state: SessionState): void
}

/** Thousands whose network comes back together must not come together. */
const wakeSpreadMs = 1_000
const wakeSpacingMs = 5_000
/** What ends a connection that the way there may be to blame for. */
const codesOfTheWay: ReadonlySet<string> = new Set(['connection_lost', 'connection_silent'])

export class Session {
  readonly #options: SessionOptions
  readonly #listener: SessionListener
  readonly #choice: TransportChoice
  readonly #reconnect: ReconnectPace
  readonly #progress: Progress
  /** What the cursor that was given covers, of channels that have not been taken yet. */
  readonly #start: Cursor | undefined
  readonly #started = new Set<string>()
  #channels: readonly string[] = []
  #state: SessionState = { type: 'idle' }
  #connection: Connection | undefined
  #cursor: string | undefined
  /** A channel goes on from further back than the connection before knew. */
  #isCursorPart = false
  /** Of a wait that the server did not ask for, which may be cut short. */
  #canWake = false
  #wokenAt = -Infinity
  #cancel: () => void = () => undefined

  constructor(options: SessionOptions, listener: SessionListener) {
    this.#options = options
    this.#listener = listener
    this.#choice = new TransportChoice(options.transports, options.pace.clock)
    this.#reconnect = new ReconnectPace(options.pace)
    this.#cursor = options.cursor
    this.#progress = progressFrom(undefined, [])
    this.#start = options.cursor === undefined ? undefined : decodeCursor(options.cursor)
  }

  get state(): SessionState {
    return this.#state
  }

  /** Where a connection would go on: what a page keeps for when it is opened again. */
  get cursor(): string | undefined {
    return this.#connection === undefined ? this.#cursor : this.#connection.cursor
  }

  /** The channels that are wanted from now on. */
  update(channels: readonly string[]): void {
    if (this.#state.type === 'closed') return
    const [before, wanted] = [new Set(this.#channels), new Set(channels)]
    const gone = this.#channels.filter((name) => !wanted.has(name))
    const added = channels.filter((name) => !before.has(name))
    if (gone.length === 0 && added.length === 0) return
    this.#forget(gone)
    this.#resume(added)
    this.#channels = channels
    if (this.#state.type === 'idle') return this.#open()
    // While it waits, or asks by HTTP, they are only noted.
    if (this.#connection === undefined) return
    if (channels.length === 0) return this.#rest()
    if (!this.#connection.update(channels)) this.#reopen()
  }

  /** The network is back, or somebody looks: no reason to wait much longer. */
  wake(): void {
    const { clock, random } = this.#options.pace
    if (!this.#canWake || clock.now() - this.#wokenAt < wakeSpacingMs) return
    this.#wokenAt = clock.now()
    this.#cancel()
    this.#cancel = clock.after(random() * wakeSpreadMs, () => this.#open())
  }

  close(): void {
    this.#end({ code: 'closed', message: 'it was closed' })
  }

  /** If they are taken again, they begin anew. */
  #forget(names: readonly string[]): void {
    if (names.length === 0) return
    const { positions, chain } = this.#progress
    const isAway = this.#connection === undefined
    if (isAway && this.#cursor !== undefined) moveTo(this.#progress, this.#cursor, this.#channels)
    for (const name of names) {
      positions.forget(name)
      chain.forget(name)
    }
    if (isAway) this.#cursor = positions.cursor
  }

  /** What the cursor that was given knows of a channel counts when it is taken first. */
  #resume(names: readonly string[]): void {
    for (const name of names) {
      if (this.#start === undefined || this.#started.has(name)) continue
      this.#started.add(name)
      const position = positionInCursor(this.#start, name)
      if (position === undefined) continue
      this.#progress.positions.resume(name, position)
      this.#isCursorPart ||= this.#cursor !== this.#options.cursor || this.#connection !== undefined
    }
  }

  #open(): void {
    this.#cancel()
    this.#canWake = false
    if (this.#channels.length === 0) return this.#become({ type: 'idle' })
    const { transports, ...options } = this.#options
    const transport = this.#choice.current()
    if (this.#cursor !== undefined) moveTo(this.#progress, this.#cursor, this.#channels)
    if (this.#isCursorPart) this.#cursor = this.#progress.positions.cursor
    this.#isCursorPart = false
    const cursor = this.#cursor
    const request: ConnectionRequest = {
      ...{ url: options.url, token: options.token, channels: this.#channels },
      ...(options.last !== undefined && { last: options.last }),
      ...(cursor !== undefined && { cursor }),
      progress: this.#progress,
    }
    this.#reconnect.opens()
    const connection: Connection = transport.open(request, (event) => {
      if (connection === this.#connection) this.#hear(event, transport)
    })
    this.#connection = connection
    this.#become({ type: 'connecting', transport: transport.name })
  }

  #hear(event: ConnectionEvent, transport: Transport): void {
    if (event.type === 'closed') return this.#lose(event, transport)
    if (event.type === 'welcome') {
      this.#reconnect.welcomed()
      this.#choice.works(transport)
      this.#become({ type: 'connected', transport: transport.name })
    }
    // An event stream comes back by itself, and is welcomed again.
    if (event.type === 'problem' && event.code === 'connection_lost') {
      this.#become({ type: 'connecting', transport: transport.name })
    }
    if (this.#connection !== undefined) this.#listener.event(event)
  }

  #lose(event: ClosedEvent, transport: Transport): void {
    this.#leave()
    if (event.code === 'ended') return this.#become({ type: 'idle' })
    if (!event.retryable) return this.#end(event)
    const mayBeTheWay = !this.#reconnect.wasWelcomed && codesOfTheWay.has(event.code)
    if (mayBeTheWay && this.#choice.canPassOver(transport)) void this.#ask(event, transport)
    else this.#wait(event)
  }

  /** Is it the transport, or the gateway? HTTP tells. */
  async #ask(event: ClosedEvent, transport: Transport): Promise<void> {
    let isOver = false
    this.#cancel = () => (isOver = true)
    const answer = await this.#options.probe(this.#channels)
    if (isOver) return
    if (answer === 'works') this.#choice.failed(transport)
    else this.#choice.excuse(transport)
    if (typeof answer !== 'object') return this.#wait(event)
    if (answer.retryable) this.#wait(answer)
    else this.#end(answer)
  }

  #wait(event: Omit<ClosedEvent, 'type'>): void {
    const { clock } = this.#options.pace
    const delayMs = this.#reconnect.nextDelayMs(event)
    this.#cancel = clock.after(delayMs, () => this.#open())
    this.#canWake = event.retryAfterMs === undefined
    const { code, message } = event
    this.#become({ type: 'waiting', code, message, until: clock.now() + delayMs })
  }

  /** The same transport with other channels: it goes on from where it was. */
  #reopen(): void {
    this.#leave()
    this.#open()
  }

  /** Nobody holds anything: what is taken again begins anew. */
  #rest(): void {
    this.#leave()
    this.#cursor = undefined
    this.#become({ type: 'idle' })
  }

  #end({ code, message }: { readonly code: string; readonly message: string }): void {
    if (this.#state.type === 'closed') return
    this.#leave()
    this.#become({ type: 'closed', code, message })
  }

  #leave(): void {
    this.#cancel()
    this.#canWake = false
    const connection = this.#connection
    if (connection === undefined) return
    this.#cursor = connection.cursor
    this.#connection = undefined
    connection.close()
  }

  #become(state: SessionState): void {
    this.#state = state
    this.#listener.state(state)
  }
}
