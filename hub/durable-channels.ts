/** The channels of a durable namespace on this node: publications in, and out in order, once. */
import { isChannel, type Channel } from '../shared/channel.js'
import { covers } from '../shared/pattern.js'
import type { BrokerMessage } from './broker.js'
import type { ChainBounds, Link } from './chain.js'
import { DurableChannel } from './durable-channel.js'
import type { DurableCounters } from './durable-counters.js'
import type { Gap } from './gap.js'
import { boundedHeader } from './header-value.js'
import type { StoredPublication } from './history.js'
import type { Interest } from './interest.js'
import { readLiveHeaders, type LiveHeaders } from './live-message.js'
import { Publication } from './publication.js'
import type { Rings } from './rings.js'
import type { Subscription } from './subscription.js'

/** What the channels need of their namespace. */
export interface ChannelsOwner extends ChainBounds {
  readonly livePrefix: string
  readonly publicationBytesMax: number
  readonly patternChannelsMax: number
  readonly rings: Rings
  readonly counters: DurableCounters
  /** It is delivered, and shows how long the history is at least. */
  came(publication: Publication): void
  /** What came live cannot be of the history that is known. */
  suspect(): void
  /** Something of the channel is missing. */
  repair(channel: DurableChannel): void
  /** It had no room for a publication: it is no longer live. */
  fell(subscription: Subscription, before: Link & { readonly seen: number }): void
}

/** Of most channels: shared, since there are many. */
const noPatterns: readonly Interest[] = []

export class DurableChannels {
  readonly #owner: ChannelsOwner
  readonly #channels = new Map<Channel, DurableChannel>()
  readonly #patterns = new Set<Interest>()
  /** Channels that are here for a pattern's sake only. */
  #unowned = 0
  /** Subscribers that had no room, until the walk over all of them is over. */
  #fallen: Subscription[] = []

  constructor(owner: ChannelsOwner) {
    this.#owner = owner
  }

  get all(): Iterable<DurableChannel> {
    return this.#channels.values()
  }

  get patterns(): Iterable<Interest> {
    return this.#patterns
  }

  add(interest: Interest): void {
    if (interest.channel !== undefined) {
      const channel = this.#channels.get(interest.channel) ?? this.#create(interest.channel)
      channel.interest = interest
      interest.durable = channel
      this.#unowned -= 1
      return
    }
    this.#patterns.add(interest)
    for (const channel of this.#channels.values()) {
      if (covers(interest.name, channel.name)) channel.patterns = [...channel.patterns, interest]
    }
  }

  remove(interest: Interest): void {
    const { durable } = interest
    if (durable !== undefined) {
      durable.interest = undefined
      this.#unowned += 1
      if (durable.patterns.length === 0) this.#delete(durable)
      return
    }
    this.#patterns.delete(interest)
    for (const channel of this.#channels.values()) {
      if (!channel.patterns.includes(interest)) continue
      channel.patterns = channel.patterns.filter((pattern) => pattern !== interest)
      if (channel.patterns.length === 0 && channel.interest === undefined) this.#delete(channel)
    }
  }

  /** A publication that the history has republished to one of our subjects. */
  receive(interest: Interest, message: BrokerMessage): void {
    const { counters } = this.#owner
    counters.received += 1
    const name = interest.channel ?? message.subject.slice(this.#owner.livePrefix.length)
    const headers = readLiveHeaders(message)
    if (headers === undefined || !isChannel(name)) {
      counters.unreadable += 1
      return
    }
    const channel = interest.durable ?? this.#ofPattern(name, headers.offset)
    if (headers.offset <= channel.chain.seen) return this.#seen(channel, headers)
    this.#take(channel, publicationOf(name, message, headers))
  }

  /** It was read from the history. Those before it in its channel have been handed over. */
  readFromHistory(stored: StoredPublication, known?: DurableChannel): void {
    const channel = known ?? this.#ofPattern(stored.channel, stored.offset)
    const { chain } = channel
    if (stored.offset <= chain.seen) return
    this.#owner.counters.repaired += 1
    this.#deliver(channel, toPublication(stored, chain.offset))
  }

  /** It is the oldest that its channel keeps: what lay before it and was not seen is gone. */
  tellExpired({ channel: name, offset }: StoredPublication): void {
    const channel = this.#channels.get(name) ?? this.#ofPattern(name, offset)
    if (channel.chain.seen + 1 < offset) this.expire(channel, offset)
  }

  /** Nothing before this offset can be had any more: no ring may seem to reach across that. */
  expire(channel: DurableChannel, before: number): void {
    const after = channel.chain.seen
    channel.chain.begin(before - 1, undefined)
    if (channel.interest !== undefined) this.#owner.rings.drop(channel.interest)
    this.tellGap(channel, { reason: 'expired', after, before })
  }

  /** The history was looked at up to `asOf`: what is held may go, if it follows. */
  releaseHeld(channel: DurableChannel): void {
    for (const publication of channel.takeHeld()) this.#take(channel, publication)
    for (const catchUp of channel.interest?.catching ?? []) catchUp.pump()
  }

  /** Everybody hears that a stretch is missing; who is behind reads it for themselves. */
  tellGap(channel: DurableChannel, gap: Gap): void {
    for (const interest of interestsOf(channel)) {
      if (interest.pattern === undefined) this.tellInterest(interest, gap)
      else this.tellInterest(interest, this.#ofAll(interest, gap))
    }
  }

  /** It moves a pattern's position: of other channels something before its end may be missing. */
  #ofAll({ base }: Interest, { after = 0, ...gap }: Gap): Gap {
    return { ...gap, after: Math.min(after, Math.max(base, this.#owner.verified)) }
  }

  tellInterest(interest: Interest, gap: Gap): void {
    for (const subscription of interest.subscriptions) {
      subscription.subscriber.gap(gap, subscription)
    }
    for (const catchUp of interest.catching ?? []) catchUp.spill()
  }

  /** Channels that nobody names, and of which nothing is known beyond the verified offset. */
  sweep(): void {
    if (this.#unowned === 0) return
    for (const channel of this.#channels.values()) {
      const isIdle = channel.interest === undefined && channel.held === undefined
      if (isIdle && channel.chain.seen <= this.#owner.verified) this.#delete(channel)
    }
  }

  #create(name: Channel): DurableChannel {
    const covering = [...this.#patterns].filter((pattern) => covers(pattern.name, name))
    const patterns = covering.length === 0 ? noPatterns : covering
    const channel = new DurableChannel(name, patterns)
    this.#channels.set(name, channel)
    this.#unowned += 1
    // It has been followed all along, and begins where the oldest of its patterns did.
    const bases = patterns.map(({ base }) => base).filter((base) => base !== -1)
    if (bases.length > 0) {
      channel.chain.begin(Math.max(this.#owner.verified, Math.min(...bases)), undefined)
    }
    return channel
  }

  #delete(channel: DurableChannel): void {
    this.#channels.delete(channel.name)
    this.#unowned -= 1
  }

  #ofPattern(name: Channel, offset: number): DurableChannel {
    const known = this.#channels.get(name)
    if (known !== undefined) return known
    if (this.#unowned >= this.#owner.patternChannelsMax) this.#overflow(offset)
    return this.#create(name)
  }

  /** More channels than may be followed: what was known of them is forgotten, and that is said. */
  #overflow(offset: number): void {
    this.sweep()
    if (this.#unowned < this.#owner.patternChannelsMax) return
    for (const channel of this.#channels.values()) {
      if (channel.interest === undefined) this.#delete(channel)
    }
    const after = this.#owner.verified
    for (const pattern of this.#patterns) {
      pattern.base = Math.max(pattern.base, offset - 1)
      this.tellInterest(pattern, { reason: 'recovery_limit', after, before: offset })
    }
  }

  /** A copy by another subscription, or one that a repair was faster than. */
  #seen({ chain }: DurableChannel, { time }: LiveHeaders): void {
    this.#owner.counters.duplicates += 1
    // What stands before the newest that is known cannot have been stored after it.
    if (time > chain.time) this.#owner.suspect()
  }

  #take(channel: DurableChannel, publication: Publication): void {
    const { chain } = channel
    if (!chain.hasBegun || channel.held !== undefined) {
      return channel.hold(publication)
    }
    switch (chain.judge(publication, this.#owner)) {
      case 'seen':
        return
      case 'next':
        return this.#deliver(channel, publication)
      case 'gap':
        channel.hold(publication)
        return this.#owner.repair(channel)
    }
  }

  #deliver(channel: DurableChannel, publication: Publication): void {
    const { chain, interest, patterns } = channel
    const { seen, offset, time, isEnd } = chain
    chain.advance(publication)
    this.#owner.came(publication)
    if (publication.payload.length > this.#owner.publicationBytesMax) {
      this.#owner.counters.tooLarge += 1
      // The ring does not have it, and must not seem to.
      const { offset: at, time: atTime } = publication
      const ring = interest?.ring
      if (ring !== undefined) this.#owner.rings.restart(ring, at, 'too_large', atTime)
      return this.tellGap(channel, { reason: 'too_large', after: seen, before: at + 1 })
    }
    if (interest !== undefined) {
      // Between the newest that is known and what was seen there is nothing.
      if (offset > 0) this.#owner.rings.keep(interest, offset, time)
      else this.#owner.rings.keep(interest, seen)
      if (interest.ring !== undefined) this.#owner.rings.push(interest.ring, publication)
      this.#fanOut(interest, publication)
    }
    for (const pattern of patterns) {
      if (pattern.pattern !== undefined && pattern.users > 0) {
        this.#fanOut(pattern, publication.through(pattern.pattern))
      }
    }
    if (this.#fallen.length === 0) return
    for (const subscription of this.#fallen.splice(0)) {
      this.#owner.fell(subscription, { seen, offset, time, isEnd })
    }
  }

  /** Nobody leaves this array while it is walked: who has no room leaves it afterwards. */
  #fanOut(interest: Interest, publication: Publication): void {
    // Of a pattern's channels no end is told.
    const isEnd = publication.isEnd && publication.pattern === undefined
    for (const subscription of interest.subscriptions) {
      if (publication.offset <= subscription.liveFrom) continue
      if (!subscription.subscriber.deliver(publication, subscription)) {
        this.#fallen.push(subscription)
      } else if (isEnd) subscription.subscriber.ended(subscription)
    }
    this.#owner.counters.deliveries += interest.subscriptions.length
    if (interest.catching === undefined) return
    for (const catchUp of interest.catching) catchUp.offer(publication)
  }
}

function interestsOf({ interest, patterns }: DurableChannel): readonly Interest[] {
  return interest === undefined ? patterns : [interest, ...patterns]
}

function publicationOf(
  channel: Channel,
  message: BrokerMessage,
  { offset, previous, time }: LiveHeaders,
): Publication {
  return new Publication({
    channel,
    pattern: undefined,
    time,
    sender: boundedHeader(message, 'Tidegate-Sender'),
    contentType: boundedHeader(message, 'Content-Type'),
    payload: new Uint8Array(message.payload),
    arrival: 0,
    offset,
    previous,
    isEnd: message.header('Tidegate-End') === '1',
  })
}

/** `previous`: the offset before it in its channel, if that is known. */
export function toPublication(stored: StoredPublication, previous: number): Publication {
  return new Publication({ ...stored, pattern: undefined, arrival: 0, previous })
}
