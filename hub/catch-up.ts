/** A durable subscription that is not live yet, or fell behind: what it is given first. */
import { withoutTime, type Position } from '../shared/position.js'
import type { Completeness } from './completeness.js'
import type { DurableNamespace } from './durable-namespace.js'
import { positionAfter, type Gap } from './gap.js'
import { HeldPublications } from './held-publications.js'
import type { Publication } from './publication.js'
import { liveFrom, partOf, positionBefore, upToHead, type Read } from './read-outcome.js'
import { gapsOfChannel, gapsOfPattern } from './recovery-gaps.js'
import type { RecoveryOutcome } from './recovery-request.js'
import type { RecoveryRound, RoundOwner, Wanted } from './recovery-round.js'
import type { BeginFailure, Begun, Start, Subscription } from './subscription.js'

/**
 * Rounds: from the ring or the history into a backlog, which the subscriber takes at its own pace;
 * then what came live meanwhile; then it is live. If too much came meanwhile, another round.
 */
export class CatchUp implements RoundOwner {
  readonly subscription: Subscription
  readonly #namespace: DurableNamespace
  /** What the subscriber has: as it was shown, then as it is given. */
  #position: Position
  /** Where it was before a gap that it has yet to be told of. */
  #untold: Position | undefined = undefined
  #wanted: Wanted
  /** Under way. */
  #round: RecoveryRound | undefined = undefined
  /** Done, and holding bytes of the budget until its backlog has been given. */
  #given: RecoveryRound | undefined = undefined
  /** Resolves `begin`; undefined in later rounds. */
  #begun: ((begun: Begun) => void) | undefined = undefined
  #isReleased = false
  #isPumping = false
  /** It could not be read: until it is, nothing that came later may be given. */
  #isWaiting = false
  #backlog: readonly Publication[] = []
  #at = 0
  /** It came live: of a pattern's other channels something before it may be missing. */
  #isOfHeld = false
  /** Told before the backlog, and after it. */
  #gapBefore: Gap | undefined = undefined
  #gapAfter: Gap | undefined = undefined
  readonly #held = new HeldPublications()
  /** Of a pattern: rounds that did not get to the end, and how much of each channel they gave. */
  #parts: { readonly after: number; readonly counts: Map<string, number> } | undefined = undefined
  #hasToldEnd = false
  /** It was refused and stands all the same: it begins when the history is there, after a gap. */
  #hasFailed = false

  constructor(namespace: DurableNamespace, subscription: Subscription, position: Position) {
    this.#namespace = namespace
    this.subscription = subscription
    this.#position = position
    this.#wanted = { kind: 'after', position }
  }

  /** What the subscription has been given so far: with a gap it moves when that has been told. */
  get position(): Position {
    return this.#untold ?? this.#position
  }

  get floor(): number {
    const floor = this.#namespace.floorOf(this.subscription.interest)
    return Math.max(this.#shown, floor, this.#held.after)
  }

  /** The history was at least this long when the client got what it shows. */
  get #shown(): number {
    const { epoch, offset, verified = 0 } = this.#position
    const isOwn = this.#wanted.kind === 'after' && epoch === this.#namespace.epoch
    return isOwn ? Math.max(offset, verified) : 0
  }

  begin({ position, last }: Start, canRead: boolean): Begun | Promise<Begun> {
    const { interest } = this.subscription
    this.#gapBefore = this.#untold = undefined // a new epoch, if one came before
    if (position !== undefined) {
      this.#position = interest.pattern === undefined ? position : withoutTime(position)
      this.#wanted = { kind: 'after', position: this.#position }
    } else this.#wanted = last === undefined ? { kind: 'now' } : { kind: 'last', count: last }
    if (this.#takeFromMemory()) return this.#result()
    if (!canRead) return this.fail('broker_unavailable')
    return new Promise((resolve) => {
      this.#begun = resolve
      this.#read()
    })
  }

  /** The subscriber was told where it begins, and hears everything from now on. */
  release(): void {
    this.#isReleased = true
    if (!this.#hasFailed) return this.pump()
    this.#hasFailed = false
    this.#wanted = { kind: 'now' }
    this.#gapBefore = { reason: 'broker_disconnected' }
    this.#wait()
  }

  /** `begin` cannot be had now. */
  fail(code: 'broker_unavailable' | 'overloaded'): BeginFailure {
    this.#hasFailed = true
    return { ok: false, code }
  }

  /** Gives as much as the subscriber takes now. */
  pump(): void {
    if (!this.#isReleased || this.#isPumping || this.#isWaiting || this.#round) return
    this.#isPumping = true
    while (this.#giveBacklog() && this.#goOn());
    this.#isPumping = false
  }

  /** A live publication of its channel or pattern. */
  offer(publication: Publication): void {
    this.#held.offer(publication)
    this.pump()
  }

  /** The chain of its channel, or the base of its pattern, begins after this offset. */
  chainBegan(asOf: number): void {
    this.#held.chainBegan(asOf)
  }

  /** What came live has a hole: the next round reads it. */
  spill(): void {
    this.#held.spill()
  }

  /** The history is another one: what was read or held of the old one means nothing. */
  restart(gap: Gap): void {
    const wasReading = this.#round !== undefined
    this.#parts = undefined
    this.#forget()
    if (this.#begun !== undefined) return this.#read()
    this.#gapBefore = gap
    this.#untold ??= this.#position
    this.#position = positionAfter(gap, this.#position)
    this.#wanted = { kind: 'after', position: this.#position }
    return wasReading ? this.#read() : this.pump()
  }

  /** It may be tried again, if it has not been read meanwhile for another reason. */
  retry(): void {
    if (this.#isWaiting) this.#read()
  }

  #wait(): void {
    this.#isWaiting = true
    this.#namespace.retryLater(this)
  }

  cancel(): void {
    this.#forget()
    this.#begun?.({ ok: false, code: 'not_subscribed' })
    this.#begun = undefined
  }

  roundDone(outcome: RecoveryOutcome): void {
    const round = this.#round
    if (round === undefined) return
    this.#round = undefined
    if (!outcome.ok && outcome.code !== 'rewound') return this.#failed(round, outcome.code)
    this.#given = round
    const lesson = this.#namespace.learn(outcome.state)
    // Another history has restarted everybody, this one too.
    if (lesson === 'other') return
    if (lesson === 'unsure') this.#wait()
    else if (!outcome.ok && outcome.state.last < this.#shown) this.#startOver()
    // The node got further itself after the leader was asked: not the history has gone back.
    else if (!outcome.ok || !this.#isOfEpoch) this.#read()
    else if (this.#begins(upToHead(outcome), round)) this.#settle(upToHead(outcome), round)
    else this.#read()
  }

  /** The first reader learns only from its answer which history there is. */
  get #isOfEpoch(): boolean {
    return this.#wanted.kind !== 'after' || this.#position.epoch === this.#namespace.epoch
  }

  /** The chain begins with what the first reader finds. False: a later one has to read again. */
  #begins(outcome: Read, round: RecoveryRound): boolean {
    this.#namespace.begins(this.subscription.interest, outcome.asOf, round.newest)
    return outcome.asOf >= this.floor
  }

  /** Without asking anybody. */
  #takeFromMemory(): boolean {
    const namespace = this.#namespace
    const { interest } = this.subscription
    const wanted = this.#wanted
    if (wanted.kind === 'now') {
      const now = namespace.now(interest)
      if (now === undefined) return false
      this.#position = now
    } else {
      const found =
        wanted.kind === 'last'
          ? namespace.newestOfRing(interest, wanted.count)
          : namespace.sinceOfRing(interest, wanted.position)
      if (found === undefined) return false
      this.#backlog = found
      if (wanted.kind === 'last') this.#position = positionBefore(found[0], namespace.epoch)
      else namespace.countRecovery('recovered', 'ring')
    }
    this.#hold()
    return true
  }

  /** From now on what comes live is kept for after the backlog. */
  #hold(): void {
    this.#held.hold(this.#namespace.seenOf(this.subscription.interest))
  }

  #read(): void {
    this.#forget()
    this.#hold()
    const { epoch } = this.#namespace
    if (this.#wanted.kind === 'after') {
      if (epoch !== undefined && this.#position.epoch !== epoch) this.#moveTo(epoch)
      this.#wanted = { kind: 'after', position: this.#position }
    }
    this.#round = this.#namespace.read(this.subscription.interest.name, this.#wanted, this)
  }

  /** The position is of another history: everything that is kept of this one follows a gap. */
  #moveTo(epoch: string): void {
    this.#parts = undefined
    this.#untold ??= this.#position
    this.#gapBefore = { reason: 'new_epoch', after: this.#untold.offset, epoch, offset: 0 }
    this.#position = positionAfter(this.#gapBefore, this.#position)
  }

  /** The history ends before what was shown, or has another publication there: it is another. */
  #startOver(): void {
    if (this.#namespace.epoch !== undefined) this.#moveTo(this.#namespace.epoch)
    this.#read()
  }

  #failed(round: RecoveryRound, code: 'broker_unavailable' | 'overloaded'): void {
    round.release()
    if (this.#begun === undefined) return this.#wait()
    this.#begun(this.fail(code))
    this.#begun = undefined
  }

  #settle(outcome: Read, round: RecoveryRound): void {
    const { interest } = this.subscription
    const wanted = this.#wanted
    this.#backlog = this.#namespace.publicationsOf(round.found, interest.pattern)
    this.#held.dropUpTo(outcome.asOf)
    if (wanted.kind === 'after') {
      const isPart = !outcome.isWhole && this.#begun === undefined
      if (isPart && this.#backlog.length === 0) return this.#wait()
      const given = isPart ? partOf(outcome, this.#backlog) : outcome
      const completeness = this.#completeness(round, outcome, given)
      if (completeness === 'new_epoch') return this.#startOver()
      this.#noteGaps(completeness, given)
      round.asOf = given.asOf
      if (!isPart || completeness === 'expired') this.#parts = undefined
      if (isPart) this.#held.spill()
      this.#namespace.countRecovery(this.#isComplete ? 'recovered' : 'not_recovered', 'history')
    } else if (this.#backlog.length > 0) this.#position = positionBefore(this.#backlog[0])
    else this.#position = this.#namespace.here(interest) ?? this.#position
    this.#position = { ...this.#position, epoch: outcome.state.epoch }
    if (this.#begun === undefined) return this.pump()
    this.#begun(this.#result())
    this.#begun = undefined
  }

  get #isComplete(): boolean {
    return this.#gapBefore === undefined && this.#gapAfter === undefined
  }

  #result(): Begun {
    const namespace = this.#namespace
    const { interest } = this.subscription
    const recovered = this.#wanted.kind === 'after' ? this.#isComplete : undefined
    // What came live and is still held may be the end itself.
    const hasAll = this.#backlog.length === 0 && this.#held.isHolding && this.#held.isEmpty
    const isEnded = interest.durable?.chain.isEnd === true && hasAll && this.#isComplete
    const now = liveFrom(namespace.here(interest), this.#position, this.#backlog.at(-1))
    const position = this.#given?.goesTo(now) ?? now
    return { ok: true, isDurable: true, position, recovered, isEnded }
  }

  /** Of what a pattern is given in parts it can only be told at their end whether it was all. */
  #completeness(round: RecoveryRound, outcome: Read, given: Read): Completeness {
    const { messagesPerChannel } = this.#namespace.settings
    if (this.subscription.interest.pattern === undefined) {
      return round.completeness(outcome, messagesPerChannel)
    }
    if (given !== outcome) this.#parts ??= { after: this.#position.offset, counts: new Map() }
    return round.completeness(given, messagesPerChannel, this.#parts?.counts)
  }

  #noteGaps(completeness: Exclude<Completeness, 'new_epoch'>, read: Read): void {
    const { pattern } = this.subscription.interest
    const { before, after } =
      pattern === undefined
        ? gapsOfChannel(completeness, read, this.#position.offset, this.#backlog)
        : gapsOfPattern(completeness, read, this.#parts?.after ?? this.#position.offset)
    this.#gapBefore ??= before
    this.#gapAfter = after
    if (pattern !== undefined && after !== undefined) this.#untold ??= this.#position
  }

  /** True: everything was taken. */
  #giveBacklog(): boolean {
    const { subscriber } = this.subscription
    this.#gapBefore = this.#tell(this.#gapBefore)
    for (; this.#at < this.#backlog.length; this.#at += 1) {
      if (!subscriber.canTake) return false
      const publication = this.#backlog[this.#at] as Publication
      if (this.#has(publication)) continue
      this.#position = this.#positionAt(publication)
      this.#hasToldEnd = false
      subscriber.deliver(publication, this.subscription)
      if (publication.isEnd) this.#tellEnd()
    }
    this.#position = this.#given?.goesTo(this.#position) ?? this.#position
    this.#dropBacklog()
    this.#gapAfter = this.#tell(this.#gapAfter)
    return true
  }

  /** A pattern has no time, since none anchors all of its channels, and moves by what was read. */
  #positionAt({ offset, time }: Publication): Position {
    const { interest } = this.subscription
    if (interest.pattern === undefined) return { ...this.#position, offset, time }
    return this.#isOfHeld ? this.#position : { ...this.#position, offset }
  }

  /** It comes late, after it was read, or has been held and read. */
  #has({ offset }: Publication): boolean {
    return offset <= this.#position.offset
  }

  /** What comes after the backlog. True: there is a new one. */
  #goOn(): boolean {
    if (!this.#held.isHolding) return this.#nextRound()
    if (this.#held.isEmpty) {
      if (this.#namespace.isUpTo(this.subscription.interest, this.#position.offset)) this.#live()
      return false
    }
    this.#backlog = this.#held.take()
    this.#isOfHeld = true
    return true
  }

  /** Nothing is read before there is room for it: who is slow costs no memory. */
  #nextRound(): boolean {
    if (!this.subscription.subscriber.canTake) return false
    this.#wanted = { kind: 'after', position: this.#position }
    if (this.#takeFromMemory()) return true
    this.#read()
    return false
  }

  #live(): void {
    const { subscription } = this
    const { interest } = subscription
    subscription.catchUp = undefined
    if (interest.pattern !== undefined) subscription.liveFrom = this.#position.offset
    interest.removeCatchUp(this)
    interest.join(subscription)
    if (interest.durable?.chain.isEnd === true) this.#tellEnd()
  }

  #tell(gap: Gap | undefined): undefined {
    if (gap === undefined) return
    this.#position = positionAfter(gap, this.#position)
    this.#untold = undefined
    this.subscription.subscriber.gap(gap, this.subscription)
  }

  #tellEnd(): void {
    // Of a pattern's channels no end is told.
    if (this.#hasToldEnd || this.subscription.interest.durable === undefined) return
    this.#hasToldEnd = true
    this.subscription.subscriber.ended(this.subscription)
  }

  #forget(): void {
    this.#isWaiting = false
    if (this.#round !== undefined) this.#namespace.cancel(this.#round)
    this.#round?.release()
    this.#round = undefined
    this.#held.spill()
    this.#gapAfter = undefined
    this.#dropBacklog()
  }

  #dropBacklog(): void {
    this.#backlog = []
    this.#at = 0
    this.#isOfHeld = false
    this.#given?.release()
    this.#given = undefined
  }
}
