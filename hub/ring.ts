/** The recent publications of one interest in memory: what bridges the time between two polls. */
import type { GapReason } from '../shared/codes.js'
import type { Publication } from './publication.js'

/** What a reader who comes back with a cursor is given. */
export interface Recent {
  /** What came after the cursor and is still here, oldest first. */
  readonly publications: readonly Publication[]
  /** Why something before `publications` may be missing; undefined: nothing is. */
  readonly gap: GapReason | undefined
}

/** The object, three arrays of bytes with what the engine needs for each, and two envelopes. */
const entryBytes = 1_700

/**
 * What a publication costs while a ring holds it (PROTOCOL 7.5). It keeps its encoded forms alive:
 * the payload counts three times, itself and for two of JSON, MessagePack and event. As measured
 * (hub/README.md), that is not below what it takes, but where all three have readers, which is
 * seldom: then it takes a third more.
 */
export function costOf(publication: Publication): number {
  return 3 * publication.payload.length + entryBytes
}

export class Ring {
  /** Every publication that came after this place is in here. Rises as old ones are evicted. */
  since: number
  /** When the publication was stored that stands at `since`; undefined: none does, or who knows. */
  sinceTime: number | undefined = undefined
  bytes = 0
  /** When a reader was last here, in the clock's ms. */
  usedAt: number
  /** Why the ring is not complete from before `since`. */
  #reason: GapReason = 'cursor_expired'
  readonly #countMax: number
  readonly #bytesMax: number
  #publications: Publication[] = []

  constructor(since: number, usedAt: number, countMax: number, bytesMax: number) {
    this.since = since
    this.usedAt = usedAt
    this.#countMax = countMax
    this.#bytesMax = bytesMax
  }

  push(publication: Publication): void {
    this.#publications.push(publication)
    this.bytes += costOf(publication)
    while (this.#publications.length > this.#countMax || this.bytes > this.#bytesMax) {
      const oldest = this.#publications.shift()
      if (oldest === undefined) break
      this.bytes -= costOf(oldest)
      this.since = oldest.place
      this.sinceTime = oldest.time
      this.#reason = 'cursor_expired'
    }
  }

  /** Forgets everything that came up to now: what came before a break proves nothing. */
  restart(since: number, reason: GapReason, sinceTime?: number): void {
    this.#publications = []
    this.bytes = 0
    this.since = since
    this.sinceTime = sinceTime
    this.#reason = reason
  }

  after(place: number): Recent {
    let first = this.#publications.length
    while (first > 0 && (this.#publications[first - 1] as Publication).place > place) first -= 1
    const gap = place < this.since ? this.#reason : undefined
    return { publications: this.#publications.slice(first), gap }
  }

  /** Of the publication at exactly this place, if it is in here, or the last that is not. */
  timeAt(place: number): number | undefined {
    if (place === this.since) return this.sinceTime
    return this.#publications.find((publication) => publication.place === place)?.time
  }

  /** The newest so many, if the ring has as many. */
  last(count: number): readonly Publication[] | undefined {
    return count > this.#publications.length ? undefined : this.#publications.slice(-count)
  }
}
