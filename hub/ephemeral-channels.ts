/** Ephemeral channels: what arrives goes out at most once, and a short ring bridges two polls. */
import { isChannel, type Channel } from '../shared/channel.js'
import type { GapReason } from '../shared/codes.js'
import type { BrokerMessage } from './broker.js'
import type { Clock } from './clock.js'
import { boundedHeader } from './header-value.js'
import type { HubCounters } from './hub-counters.js'
import type { Interest } from './interest.js'
import { Publication } from './publication.js'
import type { Recent } from './ring.js'
import type { Rings } from './rings.js'
import type { Subscription } from './subscription.js'

const nothingRecent: Recent = { publications: [], gap: 'cursor_expired' }

export interface EphemeralOptions {
  readonly clock: Clock
  readonly rings: Rings
  readonly counters: HubCounters
  readonly publishPrefix: string
  readonly publicationBytesMax: number
}

export class EphemeralChannels {
  /** The place of the newest publication of this node. */
  arrival = 0
  readonly #options: EphemeralOptions

  constructor(options: EphemeralOptions) {
    this.#options = options
  }

  /** See `Hub.keepRecent`. */
  keepRecent(subscription: Subscription): void {
    if (subscription.isOver) return
    const { interest } = subscription
    if (!subscription.keepsRecent) interest.readers += 1
    subscription.keepsRecent = true
    // Before a new ring the node may not have listened: no cursor from then may equal its start.
    if (interest.ring === undefined) this.arrival += 1
    this.#options.rings.keep(interest, this.arrival)
  }

  recent({ interest }: Subscription, arrival: number): Recent {
    const { ring } = interest
    if (ring === undefined || arrival > this.arrival) return nothingRecent
    return ring.after(arrival)
  }

  receive(interest: Interest, message: BrokerMessage): void {
    const { counters, clock, rings, publicationBytesMax } = this.#options
    counters.publicationsReceived += 1
    if (message.payload.length > publicationBytesMax) {
      counters.publicationsTooLarge += 1
      this.gap(interest, 'too_large')
      return
    }
    const channel = interest.channel ?? this.#channelOf(message)
    if (channel === undefined) {
      counters.publicationsBadChannel += 1
      return
    }
    // It lingers for who may come back: nobody hears this, and nothing keeps it.
    if (interest.ring === undefined && interest.subscriptions.length === 0) return
    this.arrival += 1
    const publication = new Publication({
      channel,
      pattern: interest.pattern,
      time: clock.now(),
      sender: boundedHeader(message, 'Tidegate-Sender'),
      contentType: boundedHeader(message, 'Content-Type'),
      // Over NATS it is a Buffer, whose slice() is a view of the whole chunk that was read.
      payload: new Uint8Array(message.payload),
      arrival: this.arrival,
      offset: 0,
      previous: 0,
      isEnd: false,
    })
    if (interest.ring !== undefined) rings.push(interest.ring, publication)
    // deliver() never closes and never unsubscribes: nobody changes the array under this loop.
    for (const subscription of interest.subscriptions) {
      subscription.subscriber.deliver(publication, subscription)
    }
    counters.deliveries += interest.subscriptions.length
  }

  gap(interest: Interest, reason: GapReason): void {
    this.arrival += 1
    if (interest.ring !== undefined) {
      this.#options.rings.restart(interest.ring, this.arrival, reason)
    }
    for (const subscription of interest.subscriptions) {
      subscription.subscriber.gap({ reason }, subscription)
    }
  }

  #channelOf(message: BrokerMessage): Channel | undefined {
    const channel = message.subject.slice(this.#options.publishPrefix.length)
    return isChannel(channel) ? channel : undefined
  }
}
