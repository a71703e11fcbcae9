/** A part of a record within one history: it ends where the subscriber is told of another one. */
import type { LoggedPublication } from './publication-log.js'

/** What lies between the two offsets is lost to the subscriber, and it knows. */
export interface NamedStretch {
  readonly after: number
  readonly before: number
}

/** How a stretch ended: it lost what lay beyond `after`, and up to `offset` in the next history. */
export interface HistoryBreak {
  readonly after: number
  readonly offset: number
}

export class Stretch {
  readonly epoch: string
  /** It begins after this offset. */
  readonly start: number
  /** Of the eras with that epoch, those that everything received so far was in, rising. */
  eras: readonly number[]
  readonly gaps: NamedStretch[] = []
  end: HistoryBreak | undefined = undefined
  /** The highest offset received of each channel; lower again where repeats may come. */
  readonly lastOf: Map<string, number> = new Map()
  /** Where a channel began before `start`, because the newest few had been asked for. */
  readonly startOf: Map<string, number> = new Map()
  /** What came at an offset, if not what belongs there. */
  readonly #wrong = new Set<string>()
  readonly #heard = new Set<string>()
  /** One below where the last gap says that it goes on. */
  #floor = 0

  constructor(epoch: string, start: number, eras: readonly number[]) {
    this.epoch = epoch
    this.start = start
    this.eras = eras
  }

  /** Beyond this the next publication of the channel is expected. */
  last(channel: string): number {
    return Math.max(this.lastReceived(channel), this.#floor)
  }

  /** Whatever was said to be lost. */
  lastReceived(channel: string): number {
    return this.lastOf.get(channel) ?? this.startIn(channel)
  }

  startIn(channel: string): number {
    return this.startOf.get(channel) ?? this.start
  }

  addGap(gap: NamedStretch): void {
    this.gaps.push(gap)
    this.#floor = Math.max(this.#floor, gap.before - 1)
  }

  hear(channel: string, offset: number): void {
    this.#heard.add(`${channel} ${offset}`)
  }

  hasHeard(channel: string, offset: number): boolean {
    return this.#heard.has(`${channel} ${offset}`)
  }

  hearWrong(channel: string, offset: number): void {
    this.#wrong.add(`${channel} ${offset}`)
  }

  hasHeardWrong(channel: string, offset: number): boolean {
    return this.#wrong.has(`${channel} ${offset}`)
  }

  isNamed(offset: number): boolean {
    return this.gaps.some(({ after, before }) => after < offset && offset < before)
  }
}

/**
 * What became of an acknowledged publication that was not received. `replaced`: another came with
 * its offset, which is a fault of its own.
 */
export type Absence = 'before_interest' | 'named' | 'withdrawn' | 'replaced' | 'lost'

/** `stretches` are one subscription's, at least one. */
export function absenceOf(publication: LoggedPublication, stretches: readonly Stretch[]): Absence {
  const { channel, firstEra, lastEra, isWithdrawn } = publication
  const offset = publication.offset as number
  const eras = erasOf(stretches)
  const [first] = stretches as [Stretch]
  const begun = eras[0] as number
  if (lastEra < begun) return 'before_interest'
  if (firstEra <= begun && offset <= first.startIn(channel)) return 'before_interest'
  for (const [at, stretch] of stretches.entries()) {
    const era = eras[at] as number
    if (firstEra <= era && era <= lastEra) {
      if (stretch.isNamed(offset)) return 'named'
      if (stretch.hasHeardWrong(channel, offset)) return 'replaced'
    }
    const next = eras[at + 1]
    if (stretch.end === undefined || next === undefined) continue
    // Whoever heard nothing that tells its eras apart may have been in any of them.
    const before = stretch.eras.filter((each) => each < next)
    const { end } = stretch
    for (const each of before.length === 0 ? [era] : before) {
      if (isInBreak(publication, offset, end, each, next)) return 'named'
    }
  }
  // A history that is set back to beyond a subscriber's position leaves no trace of what it loses.
  const isPassed = stretches.some(({ eras: [least] }, at) => {
    return (least as number) <= lastEra && lastEra < (eras[at] as number)
  })
  return isWithdrawn && isPassed ? 'withdrawn' : 'lost'
}

/** The era of each stretch: where several are possible, the last that lets the next be later. */
function erasOf(stretches: readonly Stretch[]): readonly number[] {
  const eras: number[] = []
  let next = Infinity
  for (const stretch of [...stretches].reverse()) {
    const era = stretch.eras.filter((each) => each < next).at(-1) ?? stretch.eras.at(-1) ?? 0
    eras.unshift(era)
    next = era
  }
  return eras
}

function isInBreak(
  { firstEra, lastEra }: LoggedPublication,
  offset: number,
  { after, offset: goesOnAfter }: HistoryBreak,
  era: number,
  next: number,
): boolean {
  const isGone = lastEra < next
  if (firstEra <= era) return offset > after && lastEra >= era && (isGone || offset <= goesOnAfter)
  return firstEra <= next && (isGone || offset <= goesOnAfter)
}
