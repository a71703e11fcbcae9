/** The client SDK: one object that stays connected, whatever the network lets through. */
import { decodeCursor } from '../shared/cursor.js'
import { Channel, type ChannelEvent } from './channel.js'
import { Emitter } from './emitter.js'
import { EventStreamTransport } from './event-stream-transport.js'
import {
  HttpCalls,
  type HistoryOptions,
  type HistoryPage,
  type Published,
  type PublishOptions,
} from './http-calls.js'
import { LongPollTransport } from './long-poll-transport.js'
import { onWakeUp } from './wake-up.js'
import { onAbort } from './on-abort.js'
import { httpProbe } from './probe.js'
import type { Pace } from './reconnect-pace.js'
import { Session, type SessionState } from './session.js'
import { sharedToken } from './shared-token.js'
import { systemClock } from './system-clock.js'
import { TidegateError } from './tidegate-error.js'
import type {
  ConnectionEvent,
  ClosedEvent,
  ProblemEvent,
  Transport,
  WireEvent,
} from './transport.js'
import { WebSocketTransport } from './websocket-transport.js'

export interface TidegateOptions {
  /**
   * Asked for a JWT when a connection opens and when one is about to expire, once at a time. If it
   * fails it is asked again, in backoff.
   */
  readonly token: () => Promise<string> | string
  /** Tried in this order. Default: WebSocket, event stream, long-poll, as the platform has them. */
  readonly transports?: readonly Transport[]
  /** Each durable channel begins with so many of its newest, 1 to 1,000. Default: none. */
  readonly last?: number
  /**
   * Where an earlier client was: `Tidegate.cursor`. Channels that it covers go on from there, when
   * they are taken first. One that cannot be read counts as none.
   */
  readonly cursor?: string
  /** Ends it, as `close()` does. */
  readonly signal?: AbortSignal
  /** Time and chance, for tests. */
  readonly pace?: Pace
}

/** The connection's state has changed; it is `Tidegate.state`. */
export interface StateEvent {
  readonly type: 'state'
  readonly state: SessionState
}

export type TidegateEvent = StateEvent | ProblemEvent | WireEvent

export class Tidegate {
  readonly #emitter = new Emitter<TidegateEvent>()
  readonly #holders = new Map<string, Set<Channel>>()
  readonly #session: Session
  readonly #calls: HttpCalls
  readonly #stopListening: () => void
  readonly #forgetSignal: () => void
  /** By name, the last that was said of the subscription: for holders that come later. */
  readonly #said = new Map<string, ChannelEvent>()
  #error: TidegateError | undefined
  #isUpdatePlanned = false

  /** @param url the gateway's address: `https://rt.example.com` */
  constructor(url: string | URL, options: TidegateOptions) {
    const { last, signal } = options
    const cursor = readable(options.cursor)
    const pace = options.pace ?? { clock: systemClock, random: Math.random }
    const token = sharedToken(options.token, pace.clock)
    // It throws here what would throw at each attempt.
    const base = new URL(url).href
    this.#session = new Session(
      {
        ...{ url: base, token, pace },
        transports: options.transports ?? platformTransports(),
        probe: httpProbe({ url: base, token, clock: pace.clock }),
        ...(last !== undefined && { last }),
        ...(cursor !== undefined && { cursor }),
      },
      { event: (event) => this.#hear(event), state: (state) => this.#become(state) },
    )
    this.#calls = new HttpCalls({ url: base, token, pace })
    this.#stopListening = onWakeUp(() => this.#session.wake())
    this.#forgetSignal = onAbort(signal, () => this.close())
  }

  get state(): SessionState {
    return this.#session.state
  }

  /**
   * Where this client is in its durable channels, for one that is made later, in another page or by
   * another transport. Undefined: nowhere, or in more channels than a cursor has room for (100).
   */
  get cursor(): string | undefined {
    return this.#session.cursor
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
   */
  channel<Data = unknown>(name: string, { signal }: { signal?: AbortSignal } = {}): Channel<Data> {
    const holder = new Channel<Data>(name, (each) => this.#release(each as Channel), signal)
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

  /** See `HttpCalls.publish`. It needs no connection, and does not wait for one. */
  publish(channel: string, data: unknown, options?: PublishOptions): Promise<Published> {
    return this.#calls.publish(channel, data, options)
  }

  /** See `HttpCalls.history`. */
  history(channel: string, options?: HistoryOptions): Promise<HistoryPage> {
    return this.#calls.history(channel, options)
  }

  /** Ends everything: channels, loops, calls, the connection. */
  close(): void {
    this.#session.close()
    this.#calls.close()
  }

  /** All channels that are taken in the same turn are subscribed together. */
  #updateSoon(): void {
    if (this.#isUpdatePlanned) return
    this.#isUpdatePlanned = true
    queueMicrotask(() => {
      this.#isUpdatePlanned = false
      this.#session.update([...this.#holders.keys()])
    })
  }

  #release(holder: Channel): void {
    const holders = this.#holders.get(holder.name)
    if (holders?.delete(holder) !== true || holders.size > 0) return
    this.#holders.delete(holder.name)
    this.#said.delete(holder.name)
    this.#updateSoon()
  }

  #hear(event: Exclude<ConnectionEvent, ClosedEvent>): void {
    switch (event.type) {
      case 'welcome':
        for (const channel of event.subscriptions) {
          this.#tell(channel, { type: 'subscribed', channel })
        }
        return
      case 'wire':
        return this.#emitter.emit(event)
      case 'publication': {
        const { channel, pattern = channel } = event.publication
        return this.#tell(pattern, event as ChannelEvent)
      }
      case 'problem':
        if (event.channel === undefined) return this.#emitter.emit(event)
        return this.#tell(event.channel, event)
      case 'subscribed':
      case 'gap':
      case 'recovered':
      case 'ended':
        return this.#tell(event.channel, event)
    }
  }

  #tell(name: string, event: ChannelEvent): void {
    const holders = this.#holders.get(name)
    if (holders === undefined) return
    if (isLasting(event)) this.#said.set(name, event)
    for (const holder of [...holders]) holder.hear(event)
  }

  #become(state: SessionState): void {
    if (state.type === 'closed') {
      this.#stopListening()
      const { code, message } = state
      this.#forgetSignal?.()
      const error = code === 'closed' ? undefined : new TidegateError(code, message)
      this.#error = error
      const holders = [...this.#holders.values()].flatMap((each) => [...each])
      this.#holders.clear()
      for (const holder of holders) holder.finish(error)
    }
    this.#emitter.emit({ type: 'state', state })
  }
}

/** Of a subscription as a whole: whoever comes later wants to know. */
function isLasting({ type }: ChannelEvent): boolean {
  return type === 'subscribed' || type === 'ended' || type === 'problem'
}

/** One that cannot be read, say an empty one, is none: it says nothing of where anybody was. */
function readable(cursor: string | undefined): string | undefined {
  return cursor === undefined || decodeCursor(cursor) === undefined ? undefined : cursor
}

/** What the platform has no means for is left out; `fetch` is everywhere. */
function platformTransports(): readonly Transport[] {
  return [
    ...('WebSocket' in globalThis ? [new WebSocketTransport()] : []),
    ...('EventSource' in globalThis ? [new EventStreamTransport()] : []),
    new LongPollTransport(),
  ]
}
