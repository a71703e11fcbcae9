/** Walks through what a subscriber heard of one name, and finds what is wrong in itself. */
import { isChannel, namespaceOf } from '../shared/channel.js'
import { isOffset } from '../shared/position.js'
import { covers } from '../shared/pattern.js'
import type { AuditFault } from './audit-fault.js'
import { Stretch } from './audit-stretch.js'
import type { LoggedPublication, PublicationLog } from './publication-log.js'
import type {
  HeardEvent,
  HeardGap,
  HeardPublication,
  HeardSubscribed,
} from './subscriber-record.js'

/** The publication at `offset` names a previous one that did not come. */
export interface ChainBreak {
  readonly channel: string
  readonly offset: number
  readonly previous: number
  readonly last: number
}

export class AuditWalk {
  readonly name: string
  readonly faults: AuditFault[] = []
  readonly stretches: Stretch[] = []
  readonly received: Set<LoggedPublication> = new Set()
  readonly breaks: ChainBreak[] = []
  gaps = 0
  recovered = 0
  unrecovered = 0
  hasEnded = false
  readonly #log: PublicationLog
  /** Where publications that were not acknowledged have been heard, by whomever. */
  readonly #heardAt: Map<LoggedPublication, number>
  readonly #repeatsAreAllowed: boolean
  readonly #repeatable = new Set<LoggedPublication>()
  /** `recovered: false` was said: a gap has to follow before anything beyond this offset. */
  #gapDueAt: number | undefined = undefined
  /** The newest so many were asked for and have not begun to come, or are older than live. */
  #asksNewest = false

  constructor(
    name: string,
    log: PublicationLog,
    heardAt: Map<LoggedPublication, number>,
    repeatsAreAllowed: boolean,
  ) {
    this.name = name
    this.#log = log
    this.#heardAt = heardAt
    this.#repeatsAreAllowed = repeatsAreAllowed && !isChannel(name)
  }

  take(event: HeardEvent): void {
    switch (event.type) {
      case 'subscribed':
        return this.#subscribed(event)
      case 'publication':
        return this.#publication(event)
      case 'gap':
        return this.#gap(event)
      case 'ended':
        return this.#ended()
      case 'disconnected':
        // What it was still to be told it has not got either, and does not show.
        this.#gapDueAt = undefined
        return
      case 'reconnected':
        return
    }
  }

  finish(): void {
    this.#expectGap()
  }

  get #stretch(): Stretch | undefined {
    return this.stretches.at(-1)
  }

  #subscribed(event: HeardSubscribed): void {
    this.#expectGap()
    if (event.recovered === true) this.recovered += 1
    if (event.recovered === false) {
      this.unrecovered += 1
      this.#gapDueAt = event.offset
    }
    const { shown } = event
    if (this.#stretch === undefined) {
      const { epoch, offset } = shown ?? event
      const eras = this.#erasWith(epoch)
      if (eras.length === 0) {
        const why = `${namespaceOf(this.name)} never had it`
        this.faults.push({ type: 'wrong_epoch', epoch, why })
      }
      this.stretches.push(new Stretch(epoch, offset, eras))
      this.#asksNewest = shown === undefined && event.last !== undefined
      return
    }
    if (shown !== undefined) this.#goOnFrom(shown.epoch, shown.offset)
    const { epoch } = this.#stretch
    if (event.epoch !== epoch && event.recovered !== false) {
      this.faults.push({ type: 'wrong_epoch', epoch: event.epoch, why: `it went on from ${epoch}` })
    }
  }

  /** Who is cut off after it heard of a new epoch, and before it moved on, hears of it again. */
  #goOnFrom(epoch: string, offset: number): void {
    const current = this.#stretch as Stretch
    const before = this.stretches.at(-2)
    if (before !== undefined && epoch !== current.epoch && current.lastOf.size === 0) {
      this.stretches.pop()
      before.end = undefined
    }
    if (!this.#repeatsAreAllowed) return
    for (const publication of this.received) {
      if ((this.#heardAt.get(publication) ?? publication.offset ?? 0) > offset) {
        this.#repeatable.add(publication)
      }
    }
    const stretch = this.#stretch as Stretch
    for (const [channel, last] of stretch.lastOf) {
      stretch.lastOf.set(channel, Math.min(last, offset))
    }
  }

  #publication(heard: HeardPublication): void {
    const { channel, number, offset } = heard
    if (this.#gapDueAt !== undefined && offset > this.#gapDueAt) this.#expectGap()
    const publication = number === undefined ? undefined : this.#log.find(channel, number)
    const stretch = this.#stretch
    if (stretch === undefined || publication === undefined || !covers(this.name, channel)) {
      this.faults.push({ type: 'unknown', channel, number, offset })
      return
    }
    if (this.hasEnded) this.#afterEnd(publication)
    const expected = this.#offsetOf(publication, offset)
    if (expected !== offset) {
      this.faults.push({ type: 'wrong_payload', channel, number, offset, expected })
      stretch.hearWrong(channel, offset)
      this.#place(heard, stretch)
      return
    }
    if (this.received.has(publication) && !this.#repeatable.delete(publication)) {
      this.faults.push({ type: 'duplicate', channel, number, offset })
      return
    }
    this.received.add(publication)
    this.#place(heard, this.#inEraOf(publication, stretch))
  }

  /** Where it was acknowledged or else first heard; undefined: that offset is another's. */
  #offsetOf(publication: LoggedPublication, offset: number): number | undefined {
    if (publication.offset !== undefined) return publication.offset
    const others = this.#log.at(publication.channel, offset)
    const { eras } = this.#stretch as Stretch
    const isAnothers = others.some(({ firstEra, lastEra }) => {
      return eras.every((era) => firstEra <= era && era <= lastEra)
    })
    const first = this.#heardAt.get(publication)
    if (isAnothers) return first
    if (first === undefined) this.#heardAt.set(publication, offset)
    return first ?? offset
  }

  /** Nobody may pass to another history without having been told. */
  #inEraOf(publication: LoggedPublication, stretch: Stretch): Stretch {
    const { offset, firstEra, lastEra } = publication
    if (offset === undefined) return stretch
    const eras = stretch.eras.filter((era) => firstEra <= era && era <= lastEra)
    if (eras.length > 0 || stretch.eras.length === 0) {
      stretch.eras = eras
      return stretch
    }
    const { epoch } = this.#log.eras(this.name)[firstEra] ?? { epoch: 'unknown' }
    const why = `offset ${offset} came, and that the history is another one was not said`
    this.faults.push({ type: 'wrong_epoch', epoch, why })
    const next = new Stretch(epoch, offset - 1, [firstEra])
    this.stretches.push(next)
    return next
  }

  /** Its order, and the chain to the one before it. */
  #place({ channel, number, offset, previous }: HeardPublication, stretch: Stretch): void {
    const isFirst = !stretch.lastOf.has(channel)
    // Of a pattern a gap may be one channel's: within its bounds the others still come (14.9).
    const mayCome = !isChannel(this.name) && stretch.isNamed(offset)
    const last = mayCome ? stretch.lastReceived(channel) : stretch.last(channel)
    stretch.hear(channel, offset)
    if (this.#asksNewest && isFirst && offset <= last) {
      stretch.startOf.set(channel, offset - 1)
    } else if (offset <= last) {
      if (stretch.isNamed(offset) && !mayCome) {
        this.#badGap(undefined, `offset ${offset} of ${channel} came after it`)
      } else this.faults.push({ type: 'reordered', channel, number, offset, last })
      return
    } else if (previous > last && !stretch.hasHeard(channel, previous))
      this.breaks.push({ channel, offset, previous, last })
    stretch.lastOf.set(channel, offset)
  }

  #gap(gap: HeardGap): void {
    this.#gapDueAt = undefined
    this.gaps += 1
    const stretch = this.#stretch
    if (stretch === undefined) return this.#badGap(gap, 'nothing was subscribed')
    const { after, before } = gap
    if (gap.reason === 'new_epoch') return this.#newEpoch(gap, stretch)
    if (!isOffset(after) || !isOffset(before)) return this.#badGap(gap, 'it has no bounds')
    if (after >= before) return this.#badGap(gap, 'it ends before it begins')
    if (this.#isBehind(after, stretch)) return this.#badGap(gap, 'it names what was received')
    const ceiling = this.#log.offsetCeiling(this.name)
    if (before > ceiling + 1) return this.#badGap(gap, `no offset is higher than ${ceiling}`)
    stretch.addGap({ after, before })
  }

  #newEpoch(gap: HeardGap, stretch: Stretch): void {
    const { epoch, offset, after } = gap
    if (epoch === undefined || !isOffset(offset)) {
      return this.#badGap(gap, 'it does not say where it goes on')
    }
    const least = stretch.eras[0] ?? 0
    const eras = this.#erasWith(epoch).filter((era) => era > least)
    if (eras.length === 0) {
      this.faults.push({ type: 'wrong_epoch', epoch, why: 'there has been no such new history' })
      return
    }
    if (after !== undefined && (!isOffset(after) || this.#isBehind(after, stretch))) {
      return this.#badGap(gap, 'it names what was received')
    }
    stretch.end = { after: after ?? stretch.last(this.name), offset }
    this.stretches.push(new Stretch(epoch, offset, eras))
    // Of a history that was set back nobody can tell what of it is new: all of it is given.
    for (const publication of this.received) this.#repeatable.add(publication)
  }

  /** A pattern goes on from a verified offset: what it has got beyond that may come again. */
  #isBehind(after: number, stretch: Stretch): boolean {
    return isChannel(this.name) && after < (stretch.lastOf.get(this.name) ?? 0)
  }

  #ended(): void {
    this.hasEnded = true
    if (!this.#log.of(this.name).some(({ isEnd }) => isEnd)) {
      this.faults.push({ type: 'wrong_end', why: `${this.name} was said to have ended` })
    }
  }

  /** Whoever publishes after the end takes it back. */
  #afterEnd({ channel, number, offset }: LoggedPublication): void {
    const isLater = this.#log.of(channel).some((each) => each.isEnd && each.number < number)
    if (isLater) {
      this.hasEnded = false
      return
    }
    const why = `number ${number} of ${channel} (offset ${offset}) came after the end`
    this.faults.push({ type: 'wrong_end', why })
  }

  #expectGap(): void {
    if (this.#gapDueAt === undefined) return
    this.#gapDueAt = undefined
    this.#badGap(undefined, '`recovered: false` named no stretch')
  }

  #badGap(gap: HeardGap | undefined, why: string): void {
    this.faults.push({ type: 'gap_bounds', gap, why })
  }

  #erasWith(epoch: string): readonly number[] {
    const eras = this.#log.eras(this.name)
    return [...eras.keys()].filter((era) => eras[era]?.epoch === epoch)
  }
}
