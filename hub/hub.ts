/** The channel service of a node: publications in from the broker, out to the local subscribers. */
import { isChannel, type Channel } from '../shared/channel.js'
import type { GapReason } from '../shared/codes.js'
import type { Pattern } from '../shared/pattern.js'
import type { Broker, BrokerEvent, BrokerMessage, PublishResult } from './broker.js'
import type { Clock } from './clock.js'
import { isHeaderValue } from './header-value.js'
import { Interest } from './interest.js'
import { Linger } from './linger.js'
import { Publication } from './publication.js'
import type { Recent } from './ring.js'
import { Rings, type RingLimits } from './rings.js'
import { SteadyClock } from './steady-clock.js'
import type { Subscriber } from './subscriber.js'
import type { Subscription } from './subscription.js'

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
}

/** Rise only; read when the metrics are scraped. */
export interface HubCounters {
  /** Once for each interest that a publication matches: each has a broker subscription. */
  publicationsReceived: number
  deliveries: number
  /** Publications larger than the limit. */
  publicationsTooLarge: number
  /** Publications through a pattern whose subject is no valid channel. */
  publicationsBadChannel: number
}

/** `bad_request`: the sender or the content type is nothing that a header can carry. */
export type HubPublishResult = PublishResult | { readonly ok: false; readonly code: 'bad_request' }

const sweepMs = 1000
const headerLengthMax = 256
const nothingRecent: Recent = { publications: [], gap: 'cursor_expired' }

export class Hub {
  readonly counters: HubCounters = {
    publicationsReceived: 0,
    deliveries: 0,
    publicationsTooLarge: 0,
    publicationsBadChannel: 0,
  }
  readonly rings: Rings
  readonly #broker: Broker
  readonly #clock: Clock
  readonly #limits: HubLimits
  readonly #publishPrefix: string
  readonly #interests = new Map<string, Interest>()
  readonly #linger: Linger
  readonly #onEvent: (event: BrokerEvent) => void
  #arrival = 0
  /** Connections to the broker so far; what was confirmed in an earlier one no longer counts. */
  #connections = 0
  #cancelSweep: () => void = () => {}

  constructor(options: HubOptions) {
    this.#broker = options.broker
    this.#clock = options.clock
    this.#limits = options.limits
    this.#publishPrefix = `${options.subjectPrefix}.pub.`
    this.#onEvent = options.onEvent
    const steady = new SteadyClock(options.clock)
    this.rings = new Rings(steady, options.limits)
    this.#linger = new Linger(steady, options.limits, (interest) => this.#end(interest))
    this.#broker.onEvent((event) => this.#brokerEvent(event))
  }

  async start(): Promise<void> {
    this.#sweepLater()
    await this.#broker.start()
  }

  async close(): Promise<void> {
    this.#cancelSweep()
    await this.#broker.close()
  }

  get isConnected(): boolean {
    return this.#broker.isConnected
  }

  /** The place of the newest publication of this node: what a cursor taken now remembers. */
  get arrival(): number {
    return this.#arrival
  }

  get interestCount(): number {
    return this.#interests.size
  }

  get lingeringCount(): number {
    return this.#linger.count
  }

  /** Undefined: the node holds as many channels as it may. */
  subscribe(name: Channel | Pattern, subscriber: Subscriber): Subscription | undefined {
    let interest = this.#interests.get(name)
    if (interest === undefined) {
      if (this.#interests.size >= this.#limits.channelsMax && !this.#linger.endOldest()) {
        return undefined
      }
      interest = this.#begin(name)
    }
    if (interest.subscriptions.length === 0) this.#linger.delete(interest)
    return interest.add(subscriber)
  }

  unsubscribe(subscription: Subscription): void {
    if (subscription.index === -1) return
    const { interest } = subscription
    interest.remove(subscription)
    if (subscription.keepsRecent) this.rings.use(interest)
    if (interest.subscriptions.length === 0) this.#linger.add(interest)
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
   * subscription: a ring promises that it is complete from here on.
   */
  keepRecent(subscription: Subscription): void {
    if (subscription.index === -1) return
    const { interest } = subscription
    if (!subscription.keepsRecent) interest.readers += 1
    subscription.keepsRecent = true
    // Before a new ring the node may not have listened: no cursor from then may equal its start.
    if (interest.ring === undefined) this.#arrival += 1
    this.rings.keep(interest, this.#arrival)
  }

  /** What arrived after `arrival`, as far as the node still has it. */
  recent(subscription: Subscription, arrival: number): Recent {
    const { ring } = subscription.interest
    if (ring === undefined || arrival > this.#arrival) return nothingRecent
    return ring.after(arrival)
  }

  async publish(
    channel: Channel,
    payload: Uint8Array,
    from: { readonly sender: string | undefined; readonly contentType: string | undefined },
  ): Promise<HubPublishResult> {
    const headers: Record<string, string> = {}
    if (from.contentType !== undefined) headers['Content-Type'] = from.contentType
    if (from.sender !== undefined) headers['Tidegate-Sender'] = from.sender
    if (!Object.values(headers).every(isCarriable)) return { ok: false, code: 'bad_request' }
    return this.#broker.publish(this.#publishPrefix + channel, payload, headers)
  }

  #begin(name: Channel | Pattern): Interest {
    const interest = new Interest(name, (self) =>
      this.#broker.subscribe(this.#publishPrefix + name, (message) => this.#receive(self, message)),
    )
    this.#interests.set(name, interest)
    return interest
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
    interest.brokerSubscription.unsubscribe()
  }

  #receive(interest: Interest, message: BrokerMessage): void {
    this.counters.publicationsReceived += 1
    if (message.payload.length > this.#limits.publicationBytesMax) {
      this.counters.publicationsTooLarge += 1
      this.#gap(interest, 'too_large')
      return
    }
    const channel = interest.channel ?? this.#channelOf(message)
    if (channel === undefined) {
      this.counters.publicationsBadChannel += 1
      return
    }
    // It lingers for who may come back: nobody hears this, and nothing keeps it.
    if (interest.ring === undefined && interest.subscriptions.length === 0) return
    this.#arrival += 1
    const publication = new Publication(
      channel,
      interest.pattern,
      this.#clock.now(),
      boundedHeader(message, 'Tidegate-Sender'),
      boundedHeader(message, 'Content-Type'),
      // Over NATS it is a Buffer, whose slice() is a view of the whole chunk that was read.
      new Uint8Array(message.payload),
      this.#arrival,
    )
    if (interest.ring !== undefined) this.rings.push(interest.ring, publication)
    // deliver() never closes and never unsubscribes: nobody changes the array under this loop.
    for (const subscription of interest.subscriptions) {
      subscription.subscriber.deliver(publication, subscription)
    }
    this.counters.deliveries += interest.subscriptions.length
  }

  #channelOf(message: BrokerMessage): Channel | undefined {
    const channel = message.subject.slice(this.#publishPrefix.length)
    return isChannel(channel) ? channel : undefined
  }

  #gap(interest: Interest, reason: GapReason): void {
    this.#arrival += 1
    if (interest.ring !== undefined) this.rings.restart(interest.ring, this.#arrival, reason)
    for (const subscription of interest.subscriptions) {
      subscription.subscriber.gap(reason, subscription)
    }
  }

  #brokerEvent(event: BrokerEvent): void {
    if (event.type === 'connected') {
      this.#connections += 1
      // What was published while we were away is lost: an ephemeral channel has no store. That is
      // true as well for who subscribed before the first connection and stayed.
      for (const interest of this.#interests.values()) this.#gap(interest, 'broker_disconnected')
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

function isCarriable(value: string): boolean {
  return value.length <= headerLengthMax && isHeaderValue(value)
}

function boundedHeader(message: BrokerMessage, name: string): string | undefined {
  const value = message.header(name)
  return value === undefined || value.length > headerLengthMax ? undefined : value
}
