/** One connection to NATS from its handshake to its end: subscriptions, round trips, publishes. */
import {
  headers as natsHeaders,
  PermissionViolationError,
  type Msg,
  type NatsConnection,
  type Status,
} from '@nats-io/transport-node'
import type { PublishResult } from './broker.js'
import { isHeaderValue } from './header-value.js'
import { NatsMessage } from './nats-message.js'
import type { NatsSubscription } from './nats-subscription.js'
import { nextTurn } from './next-turn.js'

/** Publishes that NATS has not answered yet, with this much for each beside its payload. */
const waitingBytesMax = 16 * 1024 * 1024
const waitingOverheadBytes = 512
/** Subscriptions made in one go after a reconnect: some 10 ms. */
const sliceSize = 1_000

const unavailable: PublishResult = { ok: false, code: 'broker_unavailable' }

export interface NatsSessionEvents {
  readonly onError: (reason: string) => void
  /** The server is about to leave: go elsewhere soon. */
  readonly onLameDuck: () => void
}

export class NatsSession {
  readonly server: string
  /** Resolves when the connection is gone, with what ended it. */
  readonly ended: Promise<string>
  readonly #connection: NatsConnection
  readonly #events: NatsSessionEvents
  /** Publishes that NATS has refused, by subject, until their publisher has heard of it. */
  readonly #denied = new Map<string, number>()
  /** Settles the round trips under way, for the case that the connection ends first. */
  readonly #trips = new Set<(isAnswered: boolean) => void>()
  #hasEnded = false
  #isLame = false
  #waitingBytes = 0
  /** The round trip that everybody in this turn of the loop shares. */
  #nextTrip: Promise<boolean> | undefined = undefined

  constructor(connection: NatsConnection, events: NatsSessionEvents) {
    this.#connection = connection
    this.#events = events
    this.server = connection.getServer()
    this.ended = connection.closed().then((error) => {
      this.#hasEnded = true
      for (const settle of this.#trips) settle(false)
      this.#trips.clear()
      return error instanceof Error ? error.message : 'closed by the server'
    })
    void this.#watch(connection.status())
  }

  /** For requests: what they need beyond a publish is the client's own. */
  get connection(): NatsConnection {
    return this.#connection
  }

  /** Makes all subscriptions, with a turn of the loop after each slice. False: it broke. */
  async begin(subscriptions: Iterable<NatsSubscription>): Promise<boolean> {
    let made = 0
    for (const subscription of subscriptions) {
      this.subscribe(subscription)
      made += 1
      if (made % sliceSize === 0) await nextTurn()
      if (this.#isOver) return false
    }
    return this.roundTrip()
  }

  /** Does nothing if it has been made in this session already, or the session is over. */
  subscribe(subscription: NatsSubscription): void {
    if (this.#isOver || subscription.session === this) return
    subscription.session = this
    subscription.isRefused = false
    // nats.js' read loop dies of an exception: nothing may throw out of this callback.
    const callback = (error: Error | null, message: Msg): void => {
      if (error !== null) {
        subscription.isRefused = true
        return
      }
      try {
        subscription.receive(new NatsMessage(message))
      } catch (thrown) {
        this.#events.onError(`receiver of ${subscription.subject}: ${String(thrown)}`)
      }
    }
    try {
      subscription.native = this.#connection.subscribe(subscription.subject, { callback })
    } catch (error) {
      subscription.isRefused = true
      this.#events.onError(`subscribe to ${subscription.subject}: ${messageOf(error)}`)
    }
  }

  async publish(
    subject: string,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<PublishResult> {
    const bytes = payload.length + waitingOverheadBytes
    if (this.#isOver || this.#waitingBytes + bytes > waitingBytesMax) return unavailable
    if (!this.#send(subject, payload, headers)) return unavailable
    this.#waitingBytes += bytes
    const isTaken = await this.roundTrip()
    this.#waitingBytes -= bytes
    return isTaken && !this.#wasDenied(subject) ? { ok: true } : unavailable
  }

  /** True when NATS has answered what was sent before; false if the connection broke first. */
  roundTrip(): Promise<boolean> {
    if (this.#isOver) return Promise.resolve(false)
    this.#nextTrip ??= this.#tripNextTurn()
    return this.#nextTrip
  }

  get #isOver(): boolean {
    return this.#hasEnded || this.#connection.isClosed()
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }

  async #tripNextTurn(): Promise<boolean> {
    await nextTurn()
    this.#nextTrip = undefined
    if (this.#isOver) return false
    const isAnswered = await this.#flush()
    // A refusal that NATS sent before its answer is still on its way through the status queue.
    if (isAnswered) await nextTurn()
    return isAnswered
  }

  /** As nats.js' flush(), which hangs for ever when the connection ends before the answer. */
  #flush(): Promise<boolean> {
    return new Promise((resolve) => {
      const settle = (isAnswered: boolean): void => {
        this.#trips.delete(settle)
        resolve(isAnswered)
      }
      this.#trips.add(settle)
      this.#connection.flush().then(
        () => settle(true),
        () => settle(false),
      )
    })
  }

  #send(subject: string, payload: Uint8Array, headers: Readonly<Record<string, string>>): boolean {
    const entries = Object.entries(headers)
    if (!entries.every(([, value]) => isHeaderValue(value))) return false
    try {
      // nats.js reads the payload a microtask later; the caller may have reused it by then.
      const copy = new Uint8Array(payload)
      if (entries.length === 0) {
        this.#connection.publish(subject, copy)
        return true
      }
      const block = natsHeaders()
      for (const [name, value] of entries) block.set(name, value)
      this.#connection.publish(subject, copy, { headers: block })
      return true
    } catch (error) {
      this.#events.onError(`publish to ${subject}: ${messageOf(error)}`)
      return false
    }
  }

  #wasDenied(subject: string): boolean {
    const count = this.#denied.get(subject)
    if (count === undefined) return false
    if (count === 1) this.#denied.delete(subject)
    else this.#denied.set(subject, count - 1)
    return true
  }

  async #watch(statuses: AsyncIterable<Status>): Promise<void> {
    for await (const status of statuses) {
      if (status.type === 'error') this.#failed(status.error)
      else if (status.type === 'ldm') this.#lame()
      // nats.js first waits until its writes have left: never, if the server is frozen.
      else if (status.type === 'staleConnection') void this.close()
    }
  }

  /** The server may say it more than once. */
  #lame(): void {
    if (!this.#isLame) this.#events.onLameDuck()
    this.#isLame = true
  }

  #failed(error: Error): void {
    if (error instanceof PermissionViolationError && error.operation === 'publish') {
      this.#denied.set(error.subject, (this.#denied.get(error.subject) ?? 0) + 1)
    }
    this.#events.onError(error.message)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
