/** One connection for all channels that are wanted, by the transport that works. */
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

export class Session {
  readonly #options: SessionOptions
  readonly #listener: SessionListener
  readonly #choice: TransportChoice
  readonly #reconnect: ReconnectPace
  readonly #progress: Progress
  #channels: readonly string[] = []
  #state: SessionState = { type: 'idle' }
  #connection: Connection | undefined
  #cursor: string | undefined
  /** Of a wait that the server did not ask for, which may be cut short. */
  #wake: (() => void) | undefined
  #cancel: () => void = () => undefined

  constructor(options: SessionOptions, listener: SessionListener) {
    this.#options = options
    this.#listener = listener
    this.#choice = new TransportChoice(options.transports, options.pace.clock)
    this.#reconnect = new ReconnectPace(options.pace)
    this.#cursor = options.cursor
    this.#progress = progressFrom(options.cursor, [])
  }

  get state(): SessionState {
    return this.#state
  }

  /** Where a connection would go on: what a page keeps for when it is opened again. */
  get cursor(): string | undefined {
    return this.#connection?.cursor ?? this.#cursor
  }

  /** The channels that are wanted from now on. */
  update(channels: readonly string[]): void {
    const { positions, chain } = this.#progress
    const wanted = new Set(channels)
    for (const name of this.#channels) {
      if (wanted.has(name)) continue
      positions.forget(name)
      chain.forget(name)
    }
    this.#channels = channels
    switch (this.#state.type) {
      case 'idle':
        return channels.length === 0 ? undefined : this.#open()
      case 'waiting':
      case 'closed':
        return
      case 'connecting':
      case 'connected':
        if (channels.length === 0) return this.#rest()
        if (this.#connection?.update(channels) !== true) this.#reopen()
    }
  }

  /** The network is back, or somebody looks: no reason to wait any longer. */
  wake(): void {
    this.#wake?.()
  }

  close(): void {
    this.#end({ code: 'closed', message: 'it was closed' })
  }

  #open(): void {
    this.#cancel()
    this.#wake = undefined
    const { transports, ...options } = this.#options
    const transport = this.#choice.current()
    const cursor = this.#cursor
    if (cursor !== undefined) moveTo(this.#progress, cursor, this.#channels)
    const request: ConnectionRequest = {
      ...{ url: options.url, token: options.token, channels: this.#channels },
      ...(options.last !== undefined && { last: options.last }),
      ...(cursor !== undefined && { cursor }),
      progress: this.#progress,
    }
    this.#reconnect.opens()
    this.#become({ type: 'connecting', transport: transport.name })
    const connection: Connection = transport.open(request, (event) => {
      if (connection === this.#connection) this.#hear(event, transport)
    })
    this.#connection = connection
  }

  #hear(event: ConnectionEvent, transport: Transport): void {
    if (event.type === 'closed') return this.#lose(event, transport)
    if (event.type === 'welcome') {
      this.#reconnect.welcomed()
      this.#choice.works(transport)
      this.#become({ type: 'connected', transport: transport.name })
    }
    this.#listener.event(event)
  }

  #lose(event: ClosedEvent, transport: Transport): void {
    this.#leave()
    if (event.code === 'ended') return this.#become({ type: 'idle' })
    if (!event.retryable) return this.#end(event)
    const isInTheWay = !this.#reconnect.wasWelcomed && event.retryAfterMs === undefined
    if (isInTheWay && this.#choice.canPassOver(transport)) void this.#ask(event, transport)
    else this.#wait(event)
  }

  /** Is it the transport, or the gateway? HTTP tells. */
  async #ask(event: ClosedEvent, transport: Transport): Promise<void> {
    let isOver = false
    this.#cancel = () => (isOver = true)
    const answer = await this.#options.probe(this.#channels)
    if (isOver) return
    if (answer === 'works') this.#choice.failed(transport)
    if (typeof answer !== 'object') return this.#wait(event)
    if (answer.retryable) this.#wait(answer)
    else this.#end(answer)
  }

  #wait(event: Omit<ClosedEvent, 'type'>): void {
    const { clock } = this.#options.pace
    const delayMs = this.#reconnect.nextDelayMs(event)
    this.#cancel = clock.after(delayMs, () => this.#open())
    if (event.retryAfterMs === undefined) this.#wake = () => this.#open()
    const { code, message } = event
    this.#become({ type: 'waiting', code, message, until: clock.now() + delayMs })
  }

  /** The same transport with other channels: it goes on from where it was. */
  #reopen(): void {
    this.#leave()
    this.#open()
  }

  #rest(): void {
    this.#leave()
    this.#become({ type: 'idle' })
  }

  #end({ code, message }: { readonly code: string; readonly message: string }): void {
    if (this.#state.type === 'closed') return
    this.#leave()
    this.#become({ type: 'closed', code, message })
  }

  #leave(): void {
    this.#cancel()
    this.#wake = undefined
    this.#cursor = this.cursor
    const connection = this.#connection
    this.#connection = undefined
    connection?.close()
  }

  #become(state: SessionState): void {
    this.#state = state
    this.#listener.state(state)
  }
}
