/** A durable namespace on this node: its history, its channels, and who is caught up with them. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { Position } from '../shared/position.js'
import type { BrokerMessage } from './broker.js'
import { CatchUp } from './catch-up.js'
import { CatchUpRetries } from './catch-up-retries.js'
import type { Link } from './chain.js'
import type { Clock } from './clock.js'
import type { DurableChannel } from './durable-channel.js'
import { DurableChannels, toPublication } from './durable-channels.js'
import type { DurableCounters, RecoveryResult, RecoverySource } from './durable-counters.js'
import type { History, HistoryState, StoredPublication } from './history.js'
import { keptMin } from './history-layout.js'
import type { Interest } from './interest.js'
import { KnownHistory, type Lesson } from './known-history.js'
import type { HistorySettings } from './namespaces.js'
import type { Publication } from './publication.js'
import type { RecoveryBudget } from './recovery-budget.js'
import type { RecoveryPlanner } from './recovery-planner.js'
import type { RecoveryRequest } from './recovery-request.js'
import { RecoveryRound, type RoundLimits, type RoundOwner, type Wanted } from './recovery-round.js'
import { newestOfRing, sinceOfRing } from './ring-recovery.js'
import type { Rings } from './rings.js'
import type { Begun, Start, Subscription } from './subscription.js'
import { Verification } from './verification.js'

export interface DurableLimits extends RoundLimits {
  readonly publicationBytesMax: number
  /** Channels of a namespace that are followed for a pattern's sake only. */
  readonly patternChannelsMax: number
  /** Between two passes that verify everything. */
  readonly verifyMs: number
}

export interface DurableNamespaceOptions {
  readonly name: string
  readonly settings: HistorySettings
  readonly livePrefix: string
  readonly history: History
  readonly planner: RecoveryPlanner
  readonly clock: Clock
  readonly rings: Rings
  readonly limits: DurableLimits
  readonly budget: RecoveryBudget
  readonly counters: DurableCounters
  /** Resolves when the broker has taken the interest of a subscription. */
  readonly confirmed: (subscription: Subscription) => true | Promise<boolean>
  /** Whether live publications come. */
  readonly isLive: () => boolean
  readonly onVerified: () => void
}

/** Of `maxAge`: clocks differ. */
const youngPart = 0.9

export class DurableNamespace {
  readonly name: string
  readonly settings: HistorySettings
  readonly livePrefix: string
  readonly counters: DurableCounters
  readonly rings: Rings
  readonly clock: Clock
  readonly publicationBytesMax: number
  readonly patternChannelsMax: number
  readonly messagesPerChannel: number
  readonly intervalMs: number
  readonly youngMs: number
  /** Of the newest publications so many are kept, however large they are. */
  readonly #keptMin: number
  readonly #options: DurableNamespaceOptions
  readonly #channels: DurableChannels
  readonly #verification: Verification
  readonly #known: KnownHistory
  readonly #retries: CatchUpRetries
  /** The chain that began last begins here: what lies before it is not handed to anybody. */
  #newestBase = 0
  #isAvailable = false
  /** What readers of the same channel share is encoded once. */
  readonly #converted = new WeakMap<StoredPublication, Publication>()

  constructor(options: DurableNamespaceOptions) {
    this.#options = options
    const { name, settings, livePrefix, counters, rings, clock, limits } = options
    this.name = name
    this.settings = settings
    this.livePrefix = livePrefix
    this.counters = counters
    this.rings = rings
    this.clock = clock
    this.publicationBytesMax = limits.publicationBytesMax
    this.patternChannelsMax = limits.patternChannelsMax
    this.messagesPerChannel = settings.messagesPerChannel
    this.intervalMs = Math.min(limits.verifyMs, (settings.maxAgeSeconds * 1000) / 4)
    this.youngMs = settings.maxAgeSeconds * 1000 * youngPart
    this.#keptMin = keptMin(settings, limits.publicationBytesMax)
    this.#known = new KnownHistory(this, options.history)
    this.#channels = new DurableChannels(this)
    this.#verification = new Verification(this, this.#channels)
    this.#retries = new CatchUpRetries(this)
  }

  /** Of the history that this node knows; undefined: it has not been seen yet. */
  get epoch(): string | undefined {
    return this.#known.epoch
  }

  get verified(): number {
    return this.#verification.verified
  }

  get keptUpTo(): number {
    return this.#verification.isYounger(this.youngMs) ? this.verified + this.#keptMin : 0
  }

  get canRead(): boolean {
    return this.#isAvailable && this.#options.isLive()
  }

  get isAvailable(): boolean {
    return this.#isAvailable
  }

  confirmed(subscription: Subscription): true | Promise<boolean> {
    return this.#options.confirmed(subscription)
  }

  add(interest: Interest): void {
    this.#channels.add(interest)
  }

  remove(interest: Interest): void {
    if (interest.durable?.patterns.length === 0) {
      this.#verification.abandon(interest.durable, Infinity)
    }
    this.#channels.remove(interest)
  }

  close(): void {
    this.#verification.close()
    this.#options.planner.close()
  }

  /** It can be read, or live publications come again: what was missed meanwhile is repaired. */
  available(): void {
    this.#isAvailable = true
    this.verify()
  }

  unavailable(): void {
    this.#isAvailable = false
    this.#known.doubt()
  }

  verify(): void {
    this.#known.doubt()
    void this.#verification.run().then(() => this.#retries.now())
  }

  receive(interest: Interest, message: BrokerMessage): void {
    this.#channels.receive(interest, message)
  }

  begin(subscription: Subscription, start: Start): Begun | Promise<Begun> {
    const { interest } = subscription
    const catchUp = new CatchUp(this, subscription, { epoch: '', offset: 0 })
    subscription.catchUp = catchUp
    interest.addCatchUp(catchUp)
    const confirmed = this.confirmed(subscription)
    if (confirmed === true) return catchUp.begin(start, this.#isAvailable)
    return confirmed.then((isConfirmed): Begun | Promise<Begun> => {
      if (subscription.isOver) return { ok: false, code: 'not_subscribed' }
      if (!isConfirmed) return catchUp.fail('broker_unavailable')
      return catchUp.begin(start, this.#isAvailable)
    })
  }

  positionOf({ catchUp, interest, liveFrom }: Subscription): Position | undefined {
    return catchUp === undefined ? this.here(interest, liveFrom) : catchUp.position
  }

  // What a catch-up needs.

  /** Where a subscription begins that wants nothing of before; undefined: that has to be asked. */
  now(interest: Interest): Position | undefined {
    const here = this.here(interest)
    if (here === undefined || interest.durable !== undefined) return here
    // What lies between the verified offset and now has been handed to others.
    return { epoch: here.epoch, offset: this.#known.last, verified: this.#known.last }
  }

  /** Where a subscription that has everything is now; undefined: the chain has not begun. */
  here({ durable, base }: Interest, liveFrom = 0): Position | undefined {
    const { epoch, verified } = this
    if (epoch === undefined) return undefined
    if (durable === undefined) {
      const offset = Math.max(base, verified, liveFrom)
      return base === -1 ? undefined : { epoch, offset, verified: offset }
    }
    const { chain } = durable
    if (!chain.hasBegun) return undefined
    const newest = Math.max(chain.seen, verified)
    if (chain.offset === 0) return { epoch, offset: newest, verified: newest }
    return { epoch, offset: chain.offset, time: chain.time, verified: newest }
  }

  /** Everything up to here has been handed to the interest's live subscribers. */
  seenOf({ durable }: Interest): number {
    return durable === undefined ? this.#known.last : durable.chain.seen
  }

  /** What a reader has to have read, so that nothing lies between it and what comes live. */
  floorOf({ durable }: Interest): number {
    return durable === undefined ? Math.max(this.verified, this.#newestBase) : this.verified
  }

  /** A client may have got further on another node: it is not live, or would be given it twice. */
  isUpTo({ durable }: Interest, offset: number): boolean {
    if (durable === undefined || offset <= durable.chain.seen) return true
    this.repair(durable)
    return false
  }

  /** Everything after the position, if the ring proves that it is everything. */
  sinceOfRing(interest: Interest, position: Position): readonly Publication[] | undefined {
    if (position.epoch !== this.epoch || !this.#options.isLive()) return undefined
    const found = sinceOfRing(interest, position)
    if (found !== undefined) this.rings.use(interest)
    return found
  }

  newestOfRing(interest: Interest, count: number): readonly Publication[] | undefined {
    return this.#options.isLive() ? newestOfRing(interest, count) : undefined
  }

  read(name: Channel | Pattern, wanted: Wanted, owner: RoundOwner): RecoveryRound {
    const { limits, budget } = this.#options
    const round = new RecoveryRound(name, wanted, limits, budget, owner)
    this.request(round)
    return round
  }

  publicationsOf(
    found: readonly StoredPublication[],
    pattern: Pattern | undefined,
  ): readonly Publication[] {
    // One channel's own: the one before is the previous. Of a pattern nobody knows.
    const previous = (at: number): number =>
      pattern === undefined ? (found[at - 1]?.offset ?? 0) : 0
    const publications = found.map((stored, at) => {
      const known = this.#converted.get(stored)
      if (known !== undefined) return known
      const publication = toPublication(stored, previous(at))
      this.#converted.set(stored, publication)
      return publication
    })
    if (pattern === undefined) return publications
    return publications.map((publication) => publication.through(pattern))
  }

  /** A reader has looked at the history up to `asOf`: what it is the first to do begins a chain. */
  begins(interest: Interest, asOf: number, newest: Link | undefined): void {
    const { durable } = interest
    if (asOf < this.verified) return
    if (durable === undefined) {
      if (interest.base === -1) this.#patternBegins(interest, asOf)
    } else if (!durable.chain.hasBegun) this.#channelBegins(durable, asOf, newest)
  }

  retryLater(catchUp: CatchUp): void {
    this.#retries.later(catchUp)
  }

  countRecovery(result: RecoveryResult, source: RecoverySource): void {
    this.counters.recoveries[result][source] += 1
  }

  // What the channels and their verification need.

  request(request: RecoveryRequest): void {
    this.#options.planner.request(request)
  }

  cancel(request: RecoveryRequest): void {
    this.#options.planner.cancel(request)
  }

  state(): Promise<HistoryState | undefined> {
    return this.#known.state()
  }

  repair(channel: DurableChannel): void {
    void this.#verification.repair(channel)
  }

  verifiedMoved(): void {
    this.#options.onVerified()
  }

  fell(subscription: Subscription, { seen, offset, time }: Link & { readonly seen: number }): void {
    const { interest } = subscription
    const epoch = this.epoch ?? ''
    const isChannel = interest.durable !== undefined
    const at = isChannel ? seen : Math.max(interest.base, this.verified, subscription.liveFrom)
    const hasNewest = isChannel && offset > 0
    const newest = { epoch, offset, time, verified: seen }
    const position = hasNewest ? newest : { epoch, offset: at, verified: at }
    interest.leave(subscription)
    const catchUp = new CatchUp(this, subscription, position)
    subscription.catchUp = catchUp
    interest.addCatchUp(catchUp)
    catchUp.release()
  }

  came(publication: Publication): void {
    this.#known.came(publication)
  }

  /** What came live cannot be of the history that is known. */
  suspect(): void {
    this.#known.suspect()
  }

  learn(state: HistoryState): Lesson {
    return this.#known.learn(state)
  }

  historyBegins({ last }: HistoryState): void {
    this.#verification.reset(last)
  }

  /**
   * Everything that is kept is given to everybody, after a gap. Of a history that was rewound some
   * may have been given before: up to where it is the old one, nobody can tell.
   */
  historyChanged({ epoch }: HistoryState): void {
    this.counters.newEpochs += 1
    this.#newestBase = 0
    const changed: [Interest, number][] = []
    for (const channel of this.#channels.all) {
      const { chain, interest } = channel
      const after = chain.offset === 0 ? chain.seen : chain.offset
      this.#verification.abandon(channel)
      channel.takeHeld()
      if (interest !== undefined) this.rings.drop(interest)
      if (!chain.hasBegun) continue
      chain.begin(0, undefined)
      if (interest !== undefined) changed.push([interest, after])
    }
    for (const pattern of this.#channels.patterns) {
      changed.push([pattern, Math.max(pattern.base, this.verified)])
      if (pattern.base !== -1) pattern.base = 0
    }
    this.#verification.reset(0)
    // Not before all have changed: who hears it asks for the positions of the others, too.
    for (const [interest, after] of changed) this.#tellNewEpoch(interest, epoch, after)
    this.verify()
  }

  #tellNewEpoch(interest: Interest, epoch: string, after: number): void {
    const gap = { reason: 'new_epoch', after, epoch, offset: 0 } as const
    for (const subscription of interest.subscriptions) {
      subscription.liveFrom = 0
      subscription.subscriber.gap(gap, subscription)
    }
    for (const catchUp of interest.catching ?? []) catchUp.restart(gap)
  }

  #channelBegins(channel: DurableChannel, asOf: number, newest: Link | undefined): void {
    channel.chain.begin(asOf, newest)
    this.#known.heard(asOf)
    this.#newestBase = Math.max(this.#newestBase, asOf)
    this.#verification.began(asOf, channel)
    for (const catchUp of channel.interest?.catching ?? []) catchUp.chainBegan(asOf)
    this.#channels.releaseHeld(channel)
  }

  #patternBegins(pattern: Interest, asOf: number): void {
    pattern.base = asOf
    this.#newestBase = Math.max(this.#newestBase, asOf)
    this.#known.heard(asOf)
    this.#verification.began(asOf, undefined)
    for (const catchUp of pattern.catching ?? []) catchUp.chainBegan(asOf)
    for (const channel of this.#channels.all) {
      if (channel.chain.hasBegun || !channel.patterns.includes(pattern)) continue
      channel.chain.begin(asOf, undefined)
      for (const catchUp of channel.interest?.catching ?? []) catchUp.chainBegan(asOf)
      this.#channels.releaseHeld(channel)
    }
  }
}
