/** One reading of a history for one subscription: what it found, and whether that is everything. */
import { isChannel } from '../shared/channel.js'
import type { Position } from '../shared/position.js'
import { completenessOf, type Completeness } from './completeness.js'
import type { StoredPublication } from './history.js'
import type { RecoveryBudget } from './recovery-budget.js'
import type { RecoveryOutcome, RecoveryRequest } from './recovery-request.js'

/** What a subscription wants of the history. */
export type Wanted =
  /** Where it ends. */
  | { readonly kind: 'now' }
  /** The newest so many. */
  | { readonly kind: 'last'; readonly count: number }
  /** Everything after a position in the epoch that the history has. */
  | { readonly kind: 'after'; readonly position: Position }

export interface RoundLimits {
  /** Publications that one recovery gives. */
  readonly recoveryCountMax: number
  /** Bytes of their payloads. */
  readonly recoveryBytesMax: number
}

export interface RoundOwner {
  /** See `RecoveryRequest`; asked anew whenever it counts. */
  readonly floor: number
  roundDone(outcome: RecoveryOutcome): void
}

export class RecoveryRound implements RecoveryRequest {
  readonly name: RecoveryRequest['name']
  readonly from: number
  readonly wanted: Wanted
  readonly found: StoredPublication[] = []
  /** Of `found`, and of the budget. */
  bytes = 0
  /** The last one that was read, the anchor too. */
  newest: StoredPublication | undefined = undefined
  /** What was found is everything up to here. */
  asOf = 0
  #anchorTime: number | undefined = undefined
  readonly #limits: RoundLimits
  readonly #budget: RecoveryBudget
  readonly #owner: RoundOwner

  constructor(
    name: RecoveryRequest['name'],
    wanted: Wanted,
    limits: RoundLimits,
    budget: RecoveryBudget,
    owner: RoundOwner,
  ) {
    this.name = name
    this.wanted = wanted
    this.from = firstWanted(wanted)
    this.#limits = limits
    this.#budget = budget
    this.#owner = owner
  }

  get floor(): number {
    return this.#owner.floor
  }

  take(publication: StoredPublication): boolean {
    const { wanted } = this
    this.newest = publication
    if (wanted.kind === 'after' && publication.offset === wanted.position.offset) {
      this.#anchorTime = publication.time
      return true
    }
    if (wanted.kind === 'last') return this.#takeNewest(wanted.count, publication)
    const bytes = publication.payload.length
    const { recoveryCountMax, recoveryBytesMax } = this.#limits
    // One alone is given, however large: it would stand in the way for ever.
    const isOver = this.found.length > 0 && this.bytes + bytes > recoveryBytesMax
    const isFull = this.found.length >= recoveryCountMax || isOver
    if (isFull || !this.#budget.take(bytes)) return false
    this.found.push(publication)
    this.bytes += bytes
    return true
  }

  done(outcome: RecoveryOutcome): void {
    if (outcome.ok && outcome.newest !== undefined) {
      this.newest = outcome.newest
      if (this.from === Infinity && this.wanted.kind === 'last') this.take(outcome.newest)
    }
    this.#owner.roundDone(outcome)
  }

  completeness(
    outcome: Extract<RecoveryOutcome, { ok: true }>,
    messagesPerChannel: number,
    counts: Map<string, number> = new Map(),
  ): Completeness {
    if (this.wanted.kind !== 'after') return 'complete'
    // The anchor tells of what follows it, as far as that was read.
    const isCounted = outcome.isWhole || this.#anchorTime !== undefined
    return completenessOf({
      position: this.wanted.position,
      anchorTime: this.#anchorTime,
      countOfChannelMax: isCounted ? countOfChannelMax(this.found, counts) : Infinity,
      state: outcome.state,
      messagesPerChannel,
    })
  }

  /** Where who has been given all of it is: of a pattern, whichever channel was the last. */
  goesTo(position: Position): Position {
    if (isChannel(this.name) || position.offset >= this.asOf) return position
    return { ...position, offset: this.asOf }
  }

  /** What was found has been given, or will not be. */
  release(): void {
    this.found.length = 0
    this.#budget.give(this.bytes)
    this.bytes = 0
  }

  /** Of the newest so many the oldest makes room, whatever bounds them: newer ones may follow. */
  #takeNewest(count: number, publication: StoredPublication): boolean {
    const { recoveryCountMax, recoveryBytesMax } = this.#limits
    const countMax = Math.min(count, recoveryCountMax)
    const { length: bytes } = publication.payload
    while (this.found.length >= countMax) this.#dropOldest()
    while (this.found.length > 0 && this.bytes + bytes > recoveryBytesMax) this.#dropOldest()
    while (!this.#budget.take(bytes)) {
      if (this.found.length === 0) return true
      this.#dropOldest()
    }
    this.found.push(publication)
    this.bytes += bytes
    return true
  }

  #dropOldest(): void {
    const bytes = this.found.shift()?.payload.length ?? 0
    this.bytes -= bytes
    this.#budget.give(bytes)
  }
}

function firstWanted(wanted: Wanted): number {
  switch (wanted.kind) {
    case 'now':
      return Infinity
    case 'last':
      return wanted.count === 1 ? Infinity : 1
    case 'after':
      // With its anchor, whose time proves that nothing after it was removed.
      return wanted.position.offset + (wanted.position.time === undefined ? 1 : 0)
  }
}

/** Beside what `counts` has from before. */
function countOfChannelMax(
  found: readonly StoredPublication[],
  counts: Map<string, number>,
): number {
  let most = 0
  for (const { channel } of found) {
    const count = (counts.get(channel) ?? 0) + 1
    counts.set(channel, count)
    if (count > most) most = count
  }
  return most
}
