/** The recent publications of one interest in memory: what bridges the time between two polls. */
import type { Publication } from './publication.js'

/** The object, its place in the array, the envelopes of the encoded forms. */
const entryBytes = 600

/**
 * What a publication costs while a ring holds it. It keeps its encoded forms alive, so that the
 * payload counts three times: itself, in JSON, in MessagePack.
 */
export function costOf(publication: Publication): number {
  return 3 * publication.payload.length + entryBytes
}

export class Ring {
  /** Every publication that arrived after this is in here. Rises as old ones are evicted. */
  since: number
  bytes = 0
  /** When a reader was last here, in the clock's ms. */
  usedAt: number
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
      this.since = oldest.arrival
    }
  }

  /** Forgets everything that arrived up to now: what came before a break proves nothing. */
  restart(since: number): void {
    this.#publications = []
    this.bytes = 0
    this.since = since
  }

  /** What arrived after `arrival`, oldest first; undefined if some of it may be missing. */
  after(arrival: number): readonly Publication[] | undefined {
    if (arrival < this.since) return undefined
    let first = this.#publications.length
    while (first > 0 && (this.#publications[first - 1] as Publication).arrival > arrival) first -= 1
    return this.#publications.slice(first)
  }
}
