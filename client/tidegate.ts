/** The client SDK: one object that stays connected, whatever the network lets through. */
import { Channel, type ChannelEvent } from './channel.js'
import type { TokenProvider } from './credentials.js'
import { Emitter } from './emitter.js'
import { Gateway } from './gateway.js'
import {
  HttpCalls,
  type HistoryOptions,
  type HistoryPage,
  type Published,
  type PublishOptions,
} from './http-calls.js'
import { onAbort } from './on-abort.js'
import { platformTransports } from './platform-transports.js'
import type { Positions } from './position-store.js'
import { probe } from './probe.js'
import type { Pace } from './reconnect-pace.js'
import { Session, type SessionState } from './session.js'
import { systemClock } from './system-clock.js'
import { TidegateError } from './tidegate-error.js'
import type { ClosedEvent, ConnectionEvent, ProblemEvent, Transport } from './transport.js'
import { onWakeUp } from './wake-up.js'

/** How a client connects. */
export interface TidegateOptions {
  /**
   * Asked for a JWT when the first connection opens and when one is about to expire, once at a
   * time. If it fails it is asked again, in backoff.
   */
  readonly token: TokenProvider
  /** Tried in this order. Default: WebSocket, event stream, long-poll, as the platform has them. */
  readonly transports?: readonly Transport[]
  /** Each durable channel begins with so many of its newest, 1 to 1,000. Default: none. */
  readonly last?: number
  /**
   * Keeps where this client is, so that a page that is opened again goes on: `localPositions(key)`,
   * `memoryPositions()`, or `new Positions(store)`. Default: nothing is kept.
   */
  readonly positions?: Positions
  /** Ends it, as `close()` does. */
  readonly signal?: AbortSignal
  /** By default the platform's. */
  readonly fetch?: typeof fetch
  /** Time and chance, for tests. */
  readonly pace?: Pace
}

/** The connection's state has changed; it is `Tidegate.state`. */
export interface StateEvent {
  readonly type: 'state'
  readonly state: SessionState
}

/** What is heard of the connection as a whole; a channel has events of its own. */
export type TidegateEvent = StateEvent | ProblemEvent

/**
 * One client for all channels of an application: it connects with the first that is taken, and
 * comes back by itself until it is closed.
 */
export class Tidegate {
  readonly #emitter = new Emitter<TidegateEvent>()
  readonly #holders = new Map<string, Set<Channel>>()
  readonly #session: Session
  readonly #calls: HttpCalls
  readonly #positions: Positions | undefined
  readonly #isLoaded: Promise<void>
  readonly #life = new AbortController()
  /** By name, the last that was said of the subscription: for holders that come later. */
  readonly #said = new Map<string, ChannelEvent>()
  #error: TidegateError | undefined
  #isUpdatePlanned = false

  /**
   * Opens nothing before the first channel is taken.
   * @param url the gateway's address: `https://rt.example.com`; it throws for one that is none
   */
  constructor(url: string | URL, options: TidegateOptions) {
    const { last, positions, signal, transports } = options
    const pace = options.pace ?? { clock: systemClock, random: Math.random }
    // The platform's wants to be called as what it is.
    const send = options.fetch ?? ((input, init) => fetch(input, init))
    const gateway = new Gateway(url, options.token, pace, send)
    this.#session = new Session(
      {
        ...{ gateway, last, transports: transports ?? platformTransports() },
        probe: (...asked) => probe(gateway, ...asked),
      },
      { event: (event) => this.#hear(event), state: (state) => this.#become(state) },
    )
    const { progress } = this.#session
    const life = this.#life.signal
    this.#calls = new HttpCalls(gateway, life, (channel) => progress.isDurable(channel))
    this.#positions = positions
    const attached = positions?.attach({
      ...{ clock: pace.clock, signal: life, progress },
      names: () => this.#holders.keys(),
      isRead: (name) => [...(this.#holders.get(name) ?? [])].every((holder) => holder.isRead),
    })
    this.#isLoaded = Promise.resolve(attached)
    onWakeUp(pace.clock, life, (isSuspect) => this.#session.wake(isSuspect))
    // At its own end it forgets the signal.
    life.addEventListener(
      'abort',
      onAbort(signal, () => this.close()),
    )
  }

  /** Where it stands now; the event `state` says when that changes. */
  get state(): SessionState {
    return this.#session.state
  }

  /** Returns what takes the listener away. */
  on<Type extends TidegateEvent['type']>(
    type: Type,
    listener: (event: Extract<TidegateEvent, { readonly type: Type }>) => void,
  ): () => void {
    return this.#emitter.on(type, listener)
  }

  /**
   * Subscribes to a channel, or to a pattern such as `orders.*`, for as long as it is held. Holders
   * of the same name share one subscription; whoever comes later hears what comes from then on.
   * @param options `signal` ends it, as `Channel.close` does
   */
  channel<Data = unknown>(name: string, options: { signal?: AbortSignal } = {}): Channel<Data> {
    const owner = {
      released: (each: Channel) => this.#release(each),
      paced: () => this.#update(),
    }
    const holder = new Channel<Data>(name, owner, options.signal)
    if (this.state.type === 'closed') holder.finish(this.#error)
    if (this.state.type === 'closed' || holder.isClosed) return holder
    let holders = this.#holders.get(name)
    if (holders === undefined) {
      this.#holders.set(name, (holders = new Set()))
      this.#updateSoon()
    }
    holders.add(holder as Channel)
    const said = this.#said.get(name)
    if (said !== undefined) queueMicrotask(() => holder.hear(said as ChannelEvent<Data>))
    return holder
  }

  /**
   * Publishes `data`, anything that `JSON.stringify` takes, in a channel. It needs no connection,
   * and does not wait for one. On a durable channel it is sent again, with backoff and one key,
   * until it is answered: then the history holds it, once. On any other it is sent again only after
   * refusals that say that it was not made.
   *
   * Rejects with a `TidegateError`: the refusal's code if it was not published for certain;
   * `publish_unanswered` if that is not known, with the last failure as `cause`;
   * `token_unavailable`; `closed`. Rejects with the signal's reason at abort, and with what
   * `JSON.stringify` throws for data that is no JSON.
   */
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<Published> {
    return this.#calls.publish(channel, data, options)
  }

  /**
   * Reads one page of what a durable channel keeps. Tried again up to 3 times after failures that
   * pass. Rejects with a `TidegateError`: the refusal's code (`bad_request`, too, for an ephemeral
   * channel), or that of the last failure; `closed`. Rejects with the signal's reason at abort.
   */
  history(channel: string, options?: HistoryOptions): Promise<HistoryPage> {
    return this.#calls.history(channel, options)
  }

  /** Ends everything: channels, loops, calls, the connection. */
  close(): void {
    this.#session.close()
  }

  /** `using`: as `close()`, where the runtime knows it. */
  [Symbol.dispose](): void {
    this.close()
  }

  /** All channels that are taken in the same turn are subscribed together. */
  #updateSoon(): void {
    if (this.#isUpdatePlanned) return
    this.#isUpdatePlanned = true
    void this.#isLoaded.then(() => {
      this.#isUpdatePlanned = false
      this.#update()
    })
  }

  #update(): void {
    const wanted: string[] = []
    const paused = new Set<string>()
    for (const [name, holders] of this.#holders) {
      this.#positions?.resume(name)
      if ([...holders].some((holder) => holder.isPaused)) paused.add(name)
      else wanted.push(name)
    }
    this.#session.update(wanted, paused)
  }

  #release(holder: Channel): void {
    const holders = this.#holders.get(holder.name)
    if (holders?.delete(holder) !== true) return
    if (holders.size === 0) {
      this.#holders.delete(holder.name)
      this.#said.delete(holder.name)
    }
    this.#updateSoon()
  }

  #hear(event: Exclude<ConnectionEvent, ClosedEvent>): void {
    this.#positions?.saveSoon()
    if (event.type === 'publication') {
      const { channel, pattern = channel } = event.publication
      this.#tell(pattern, event as ChannelEvent)
    } else if ('channel' in event && event.channel !== undefined) {
      this.#tell(event.channel, event as ChannelEvent)
    } else if (event.type === 'problem') this.#emitter.emit(event)
  }

  #tell(name: string, event: ChannelEvent): void {
    const holders = this.#holders.get(name)
    if (holders === undefined) return
    if (isLasting(event)) this.#said.set(name, event)
    // Whoever publishes after the end takes it back (PROTOCOL 4.21).
    else if (this.#said.get(name)?.type === 'ended') this.#said.delete(name)
    for (const holder of [...holders]) holder.hear(event)
  }

  #become(state: SessionState): void {
    // The next connection says it anew, of where it begins then.
    if (state.type === 'waiting') this.#said.clear()
    if (state.type === 'closed') {
      const { code, message } = state
      this.#life.abort(new TidegateError(code, message))
      const error = code === 'closed' ? undefined : new TidegateError(code, message)
      this.#error = error
      this.#positions?.save()
      const holders = [...this.#holders.values()].flatMap((each) => [...each])
      this.#holders.clear()
      for (const holder of holders) {
        holder.finish(error)
        holder.close()
      }
    }
    this.#emitter.emit({ type: 'state', state })
  }
}

/** Of a subscription as a whole: whoever comes later wants to know. */
function isLasting({ type }: ChannelEvent): boolean {
  return /^(subscribed|ended|problem)$/.test(type)
}
