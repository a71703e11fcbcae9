/** The channel service of a node: publications in from the broker, out to the local subscribers. */
import { namespaceOf, type Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { Position } from '../shared/position.js'
import type { Broker, BrokerEvent, BrokerMessage } from './broker.js'
import type { Clock } from './clock.js'
import { DurableNamespaces, type DurableOptions, type HistoryAnswer } from './durable-namespaces.js'
import type { DurableNamespace } from './durable-namespace.js'
import { EphemeralChannels } from './ephemeral-channels.js'
import { isCarriable } from './header-value.js'
import { HubCounters } from './hub-counters.js'
import { messageId } from './idempotency.js'
import { Interest } from './interest.js'
import { Linger } from './linger.js'
import type { Recent } from './ring.js'
import { Rings, type RingLimits } from './rings.js'
import { SteadyClock } from './steady-clock.js'
import type { Subscriber } from './subscriber.js'
import type { Begun, Start, Subscription } from './subscription.js'

export interface HubLimits extends RingLimits {
  /** Payload of one publication; a larger one is replaced by a gap. */
  readonly publicationBytesMax: number
  /** Interests of the node, lingering ones included. */
  readonly channelsMax: number
  /** Interests without a subscriber that are kept for those who come back. */
  readonly lingeringMax: number
}

export interface HubOptions {
  readonly broker: Broker
  readonly clock: Clock
  readonly limits: HubLimits
  /** First token of every subject; `rt` by default. */
  readonly subjectPrefix: string
  readonly onEvent: (event: BrokerEvent) => void
  /** Absent: every channel is ephemeral. */
  readonly durable?: DurableOptions
}

export interface PublishOptions {
  readonly sender: string | undefined
  readonly contentType: string | undefined
  /** On a durable channel a second publication with the same key is acknowledged and dropped. */
  readonly idempotencyKey?: string | undefined
}

/** `bad_request`: the sender or the content type is nothing that a header can carry. */
export type HubPublishResult =
  | { readonly ok: true; readonly offset?: number }
  | { readonly ok: false; readonly code: 'broker_unavailable' | 'bad_request' }

const sweepMs = 1000

export class Hub {
  readonly counters: HubCounters = new HubCounters()
  readonly rings: Rings
  readonly durable: DurableNamespaces
  readonly #broker: Broker
  readonly #clock: Clock
  readonly #limits: HubLimits
  readonly #publishPrefix: string
  readonly #interests = new Map<string, Interest>()
  readonly #linger: Linger
  readonly #onEvent: (event: BrokerEvent) => void
  readonly #ephemeral: EphemeralChannels
  /** Connections to the broker so far; what was confirmed in an earlier one no longer counts. */
  #connections = 0
  #cancelSweep: () => void = () => {}

  constructor(options: HubOptions) {
    const { broker, clock, limits, subjectPrefix } = options
    this.#broker = broker
    this.#clock = clock
    this.#limits = limits
    this.#publishPrefix = `${subjectPrefix}.pub.`
    this.#onEvent = options.onEvent
    const steady = new SteadyClock(clock)
    this.rings = new Rings(steady, limits)
    this.#linger = new Linger(steady, limits, (interest) => this.#end(interest))
    this.#ephemeral = new EphemeralChannels({
      clock,
      rings: this.rings,
      counters: this.counters,
      publishPrefix: this.#publishPrefix,
      publicationBytesMax: limits.publicationBytesMax,
    })
    this.durable = new DurableNamespaces(options.durable, {
      clock: steady,
      rings: this.rings,
      livePrefix: `${subjectPrefix}.live.`,
      publicationBytesMax: limits.publicationBytesMax,
      confirmed: (subscription) => this.confirmed(subscription),
      isLive: () => broker.isConnected,
    })
    this.#broker.onEvent((event) => this.#brokerEvent(event))
  }

  async start(): Promise<void> {
    this.#sweepLater()
    await this.#broker.start()
    await this.durable.start()
  }

  async close(): Promise<void> {
    this.#cancelSweep()
    await this.durable.close()
    await this.#broker.close()
  }

  get isConnected(): boolean {
    return this.#broker.isConnected
  }

  /** The place of the newest ephemeral publication of this node: what a cursor remembers. */
  get arrival(): number {
    return this.#ephemeral.arrival
  }

  get interestCount(): number {
    return this.#interests.size
  }

  get lingeringCount(): number {
    return this.#linger.count
  }

  /** Undefined: it holds as many channels as it may. A durable one is silent until `begin`. */
  subscribe(name: Channel | Pattern, subscriber: Subscriber): Subscription | undefined {
    let interest = this.#interests.get(name)
    if (interest === undefined) {
      if (this.#interests.size >= this.#limits.channelsMax && !this.#linger.endOldest()) {
        return undefined
      }
      interest = this.#begin(name)
    }
    if (interest.users === 0) this.#linger.delete(interest)
    const subscription = interest.add(subscriber)
    if (interest.namespace === undefined) interest.join(subscription)
    else this.rings.use(interest)
    return subscription
  }

  unsubscribe(subscription: Subscription): void {
    if (subscription.isOver) return
    const { interest, catchUp } = subscription
    interest.remove(subscription)
    if (catchUp !== undefined) interest.removeCatchUp(catchUp)
    catchUp?.cancel()
    if (subscription.keepsRecent || interest.namespace !== undefined) this.rings.use(interest)
    if (interest.users === 0) this.#linger.add(interest)
  }

  /**
   * Ok: the subscription is in effect, and everything that comes from now on is for it. A durable
   * one is told where it begins and stays silent until `release`. Never rejects. After a failure it
   * may be unsubscribed; or released all the same, and begins, after a gap, as soon as it can.
   */
  begin(subscription: Subscription, start: Start): Begun | Promise<Begun> {
    const { namespace } = subscription.interest
    if (namespace !== undefined) return namespace.begin(subscription, start)
    const confirmed = this.confirmed(subscription)
    if (confirmed === true) return begunEphemeral
    return confirmed.then((isConfirmed): Begun => {
      if (subscription.isOver) return { ok: false, code: 'not_subscribed' }
      return isConfirmed ? begunEphemeral : { ok: false, code: 'broker_unavailable' }
    })
  }

  /** What was said of its beginning has been passed on: its history comes, then it is live. */
  release(subscription: Subscription): void {
    subscription.catchUp?.release()
  }

  /** Their subscriber takes more again. */
  drained(subscriptions: readonly Subscription[]): void {
    for (const { catchUp } of subscriptions) catchUp?.pump()
  }

  /** How far a durable subscription has been given everything; undefined: it is ephemeral. */
  positionOf(subscription: Subscription): Position | undefined {
    return subscription.interest.namespace?.positionOf(subscription)
  }

  /**
   * Of a live durable one: another position has another place, or `verifiedVersion` has risen.
   * Undefined: it need not be where the others of its name are.
   */
  placeOf(subscription: Subscription): number | undefined {
    const { catchUp, interest, liveFrom } = subscription
    if (catchUp !== undefined || liveFrom > (interest.namespace?.verified ?? 0)) return undefined
    return interest.durable?.chain.offset ?? 0
  }

  /**
   * True: the subscription receives what is published from now on. False: the broker is away, went
   * away meanwhile, or refused; the subscription stands and may be confirmed again later.
   */
  confirmed(subscription: Subscription): true | Promise<boolean> {
    const { interest } = subscription
    if (this.#broker.isConnected && interest.confirmedIn === this.#connections) return true
    return this.#confirm(interest)
  }

  /**
   * Keeps what arrives for a reader who will come back with a cursor. Wants a confirmed
   * subscription: a ring promises that it is complete from here on. Durable channels need it not.
   */
  keepRecent(subscription: Subscription): void {
    if (subscription.interest.namespace === undefined) this.#ephemeral.keepRecent(subscription)
  }

  /** What arrived after `arrival`, as far as the node still has it. */
  recent(subscription: Subscription, arrival: number): Recent {
    return this.#ephemeral.recent(subscription, arrival)
  }

  /** On a durable channel ok means that it is stored. */
  async publish(
    channel: Channel,
    payload: Uint8Array,
    { sender, contentType, idempotencyKey }: PublishOptions,
  ): Promise<HubPublishResult> {
    const headers: Record<string, string> = {}
    if (contentType !== undefined) headers['Content-Type'] = contentType
    if (sender !== undefined) headers['Tidegate-Sender'] = sender
    if (!Object.values(headers).every(isCarriable)) return { ok: false, code: 'bad_request' }
    if (this.durable.get(namespaceOf(channel)) === undefined) {
      return this.#broker.publish(this.#publishPrefix + channel, payload, headers)
    }
    if (idempotencyKey !== undefined) {
      headers['Nats-Msg-Id'] = messageId(sender, channel, idempotencyKey)
    }
    return this.durable.publish(channel, payload, headers)
  }

  /** What is kept of a durable channel after an offset. */
  history(channel: Channel, after: number, limit: number): Promise<HistoryAnswer> {
    return this.durable.history(channel, after, limit)
  }

  #begin(name: Channel | Pattern): Interest {
    const namespace = this.durable.get(namespaceOf(name))
    const subject = (namespace?.livePrefix ?? this.#publishPrefix) + name
    const interest = new Interest(name, namespace, (self) =>
      this.#broker.subscribe(subject, (message) => this.#receive(self, namespace, message)),
    )
    this.#interests.set(name, interest)
    namespace?.add(interest)
    return interest
  }

  #receive(
    interest: Interest,
    namespace: DurableNamespace | undefined,
    message: BrokerMessage,
  ): void {
    if (namespace === undefined) this.#ephemeral.receive(interest, message)
    else namespace.receive(interest, message)
  }

  async #confirm(interest: Interest): Promise<boolean> {
    const connection = this.#connections
    const isConfirmed = await interest.brokerSubscription.confirm()
    if (isConfirmed) interest.confirmedIn = connection
    return isConfirmed
  }

  #end(interest: Interest): void {
    this.rings.drop(interest)
    this.#interests.delete(interest.name)
    interest.namespace?.remove(interest)
    interest.brokerSubscription.unsubscribe()
  }

  #brokerEvent(event: BrokerEvent): void {
    if (event.type === 'connected') {
      this.#connections += 1
      // What was published while we were away is lost: an ephemeral channel has no store. That is
      // true as well for who subscribed before the first connection and stayed.
      for (const interest of this.#interests.values()) {
        if (interest.namespace === undefined) this.#ephemeral.gap(interest, 'broker_disconnected')
      }
      this.durable.reconnected()
    }
    this.#onEvent(event)
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#clock.after(sweepMs, () => {
      this.rings.sweep()
      this.#linger.sweep()
      this.#sweepLater()
    })
  }
}

const begunEphemeral: Begun = { ok: true, isDurable: false }
