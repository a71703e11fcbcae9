/** One connection for all channels that are wanted, by the transport that works. */
import type { Gateway } from './gateway.js'
import type { Probe } from './probe.js'
import { Progress } from './progress.js'
import { ReconnectPace } from './reconnect-pace.js'
import type { Refusal } from './tidegate-error.js'
import { TransportChoice } from './transport-choice.js'
import type {
  ClosedEvent,
  Connection,
  ConnectionEvent,
  Transport,
  TransportName,
} from './transport.js'

/** How things stand with the connection. */
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
  readonly gateway: Gateway
  /** Tried in this order. */
  readonly transports: readonly Transport[]
  readonly last?: number | undefined
  readonly probe: Probe
}

export interface SessionListener {
  event(event: Exclude<ConnectionEvent, ClosedEvent>): void
  state(state: SessionState): void
}

/** Thousands whose network comes back together must not come together. */
const wakeSpreadMs = 1_000
const wakeSpacingMs = 5_000
/** What ends a connection that the way there may be to blame for. */
const ofTheWay = /^(connection_|http_|protocol_error)/

export class Session {
  readonly progress: Progress = new Progress()
  readonly #options: SessionOptions
  readonly #listener: SessionListener
  readonly #choice: TransportChoice
  readonly #reconnect: ReconnectPace
  #channels: readonly string[] = []
  /** Not wanted for a while: they keep their places. */
  #paused: ReadonlySet<string> = new Set()
  #state: SessionState = { type: 'idle' }
  #connection: Connection | undefined
  /** Takes over when it is ready: there is no moment without a connection. */
  #successor: Connection | undefined
  /** Of a wait that the server did not ask for, which may be cut short. */
  #canWake = false
  #wokenAt = -Infinity
  #cancel: () => void = () => undefined

  constructor(options: SessionOptions, listener: SessionListener) {
    const { pace } = options.gateway
    this.#options = options
    this.#listener = listener
    this.#choice = new TransportChoice(options.transports, pace.clock)
    this.#reconnect = new ReconnectPace(pace)
  }

  get state(): SessionState {
    return this.#state
  }

  /**
   * The channels that are wanted from now on. What is neither wanted nor paused is forgotten: if it
   * is wanted again, it begins anew.
   */
  update(channels: readonly string[], paused: ReadonlySet<string> = new Set()): void {
    if (this.#state.type === 'closed') return
    const [before, wanted] = [new Set(this.#channels), new Set(channels)]
    for (const name of [...before, ...this.#paused]) {
      if (!wanted.has(name) && !paused.has(name)) this.progress.forget(name)
    }
    this.#channels = channels
    this.#paused = paused
    const isOver = channels.length + paused.size === 0
    const isSame = wanted.size === before.size && channels.every((name) => before.has(name))
    // The last of those that paused may have been left.
    if (isSame && !(isOver && this.#connection)) return
    if (this.#state.type === 'idle') return this.#open()
    // While it waits, or asks by HTTP, they are only noted.
    if (this.#connection === undefined) return
    // A successor that cannot follow is not waited for: a new connection is one as well.
    if (isOver || !this.#connection.update(channels)) return this.#open()
    this.#successor?.update(this.#lasting(channels))
  }

  /**
   * The network is back, or somebody looks: no reason to wait much longer.
   * @param isSuspect the connection may be gone without a word
   */
  wake(isSuspect: boolean): void {
    const { clock, random } = this.#options.gateway.pace
    if (isSuspect && this.#state.type === 'connected') this.#connection?.check()
    if (!this.#canWake || clock.now() - this.#wokenAt < wakeSpacingMs) return
    this.#wokenAt = clock.now()
    this.#cancel()
    this.#cancel = clock.after(random() * wakeSpreadMs, () => this.#open())
  }

  close(): void {
    this.#end({ code: 'closed', message: 'the client was closed' })
  }

  #open(): void {
    this.#leave()
    if (this.#channels.length === 0) return this.#become({ type: 'idle' })
    const transport = this.#choice.current()
    this.#reconnect.opens()
    this.#connection = this.#connect(transport, this.#channels)
    this.#become({ type: 'connecting', transport: transport.name })
  }

  #connect(transport: Transport, channels: readonly string[]): Connection {
    const { gateway, last } = this.#options
    const request = {
      ...{ gateway, channels, progress: this.progress },
      ...(last !== undefined && { last }),
    }
    const connection: Connection = transport.open(request, (event) => {
      if (connection === this.#connection) this.#hear(event, transport)
      else if (connection === this.#successor) this.#hearSuccessor(event, transport)
    })
    return connection
  }

  #hear(event: ConnectionEvent, transport: Transport): void {
    if (event.type === 'closed') return this.#lose(event, transport)
    // Of a successor that was left alone the welcome came before.
    const isReady = event.type === 'ready' && this.#state.type === 'connecting'
    if (isReady || event.type === 'welcome') this.#greet(transport)
    if (event.type === 'reconnect') this.#succeedIn(event.afterMs, transport)
    if (event.type === 'state') return this.#become(event.state)
    this.#listener.event(event)
  }

  #greet(transport: Transport): void {
    this.#reconnect.welcomed()
    this.#choice.works(transport)
    this.#become({ type: 'connected', transport: transport.name })
  }

  /** The slot that the server gave: another client has another. */
  #succeedIn(afterMs: number, transport: Transport): void {
    this.#cancel()
    this.#cancel = this.#options.gateway.pace.clock.after(afterMs, () => {
      // Others name all channels at once, and go on from their cursor.
      if (transport.name !== 'websocket') return this.#open()
      this.#successor ??= this.#connect(transport, this.#lasting(this.#channels))
    })
  }

  /** Of an ephemeral channel nothing tells what came by both: a successor begins it afterwards. */
  #lasting(channels: readonly string[]): readonly string[] {
    return channels.filter((name) => this.progress.isDurable(name))
  }

  /** Both are heard: what comes by both comes once. */
  #hearSuccessor(event: ConnectionEvent, transport: Transport): void {
    if (event.type === 'closed') return void (this.#successor = undefined)
    if (event.type === 'ready') return this.#takeOver(transport)
    if (event.type === 'reconnect') return this.#succeedIn(event.afterMs, transport)
    if (event.type !== 'welcome') this.#listener.event(event)
  }

  #takeOver(transport: Transport): void {
    const old = this.#connection
    this.#connection = this.#successor
    this.#successor = undefined
    old?.close()
    this.#reconnect.opens()
    this.#greet(transport)
    this.#connection?.update(this.#channels)
  }

  #lose(event: ClosedEvent, transport: Transport): void {
    const successor = this.#successor
    this.#successor = undefined
    this.#leave()
    if (successor !== undefined) {
      this.#connection = successor
      successor.update(this.#channels)
      return this.#become({ type: 'connecting', transport: transport.name })
    }
    if (event.code === 'ended') return this.#become({ type: 'idle' })
    if (event.code.startsWith('token_')) this.#options.gateway.credentials.refuse()
    if (event.code === 'bad_request' && this.#loseAll(event)) return
    if (!event.retryable) return this.#end(event)
    const mayBeTheWay = !this.#reconnect.wasWelcomed && ofTheWay.test(event.code)
    if (mayBeTheWay && this.#choice.canPassOver(transport)) void this.#ask(event, transport)
    else this.#wait(event)
  }

  /** What another version wrote may be unreadable. To begin anew is better than to stop. */
  #loseAll(event: ClosedEvent): boolean {
    const names = this.progress.forgetPlaces()
    // Who hears of it may close.
    if (names.length > 0) this.#wait(event)
    for (const channel of names) {
      this.#listener.event({ type: 'gap', channel, reason: 'cursor_expired' })
    }
    return names.length > 0
  }

  /** Is it the transport, or the gateway? HTTP tells. */
  async #ask(event: ClosedEvent, transport: Transport): Promise<void> {
    const life = new AbortController()
    this.#cancel = () => life.abort()
    const answer = await this.#options.probe(this.#channels, life.signal)
    if (life.signal.aborted) return
    if (answer === 'works') this.#choice.failed(transport, event.code === 'connection_silent')
    else this.#choice.excuse(transport)
    const refusal = typeof answer === 'object' ? answer : event
    if (refusal.retryable) this.#wait(refusal)
    else this.#end(refusal)
  }

  #wait(refusal: Refusal): void {
    const { clock } = this.#options.gateway.pace
    const delayMs = this.#reconnect.nextDelayMs(refusal)
    this.#cancel = clock.after(delayMs, () => this.#open())
    this.#canWake = refusal.retryAfterMs === undefined
    const { code, message } = refusal
    this.#become({ type: 'waiting', code, message, until: clock.now() + delayMs })
  }

  #end({ code, message }: Pick<Refusal, 'code' | 'message'>): void {
    if (this.#state.type === 'closed') return
    this.#leave()
    this.#become({ type: 'closed', code, message })
  }

  #leave(): void {
    this.#cancel()
    this.#canWake = false
    const open = [this.#connection, this.#successor]
    this.#connection = this.#successor = undefined
    for (const connection of open) connection?.close()
  }

  #become(state: SessionState): void {
    this.#state = state
    this.#listener.state(state)
  }
}
