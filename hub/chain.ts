/** What has been seen of one durable channel, and whether the next publication continues it. */

/** `gap`: something between is missing, or it cannot be told whether something is. */
export type ChainVerdict = 'next' | 'seen' | 'gap'

/** Of a publication; the chain needs no more of it. */
export interface Link {
  readonly offset: number
  readonly time: number
  readonly isEnd: boolean
}

/** Of a publication that came live. */
export interface Followed {
  readonly offset: number
  readonly previous: number
  readonly time: number
}

/** What a namespace knows of its history, for all of its channels. */
export interface ChainBounds {
  readonly verified: number
  /** Nothing is removed by age so soon after it was stored. */
  readonly youngMs: number
  /** When what stands here was stored, all since the verified offset was kept. */
  readonly keptUpTo: number
}

const notBegun = -1

export class Chain {
  /**
   * Everything of the channel up to here has been delivered, or lies before its beginning on this
   * node. Not always the offset of a publication: a look at the history covers what is not there.
   */
  seen: number = notBegun
  /** The newest publication that is known; 0: none. */
  offset = 0
  time = 0
  isEnd = false

  get hasBegun(): boolean {
    return this.seen !== notBegun
  }

  /** The history was looked at up to `asOf`; `newest` is its newest publication, if it has one. */
  begin(asOf: number, newest: Link | undefined): void {
    this.seen = asOf
    this.offset = 0
    this.time = 0
    this.isEnd = false
    if (newest !== undefined) this.#note(newest)
  }

  /**
   * Whether a publication continues what was seen here or verified node-wide. `previous` is the
   * offset before it in its channel when it was stored; 0 says that nothing older was kept then,
   * which proves nothing where limits may have removed what never came here.
   */
  judge({ offset, previous, time }: Followed, bounds: ChainBounds): ChainVerdict {
    if (offset <= this.seen) return 'seen'
    if (previous > Math.max(this.seen, bounds.verified)) return 'gap'
    // Lower than what was seen: limits have removed what lay between, and that had been delivered.
    if (previous > 0) return 'next'
    // What is known of the channel went, and not by age.
    if (this.offset > 0 && time - this.time < bounds.youngMs) return 'gap'
    return offset <= bounds.keptUpTo ? 'next' : 'gap'
  }

  advance(link: Link): void {
    this.seen = link.offset
    this.#note(link)
  }

  /** The history was looked at up to `asOf`, and everything that was found has been delivered. */
  cover(asOf: number): void {
    if (asOf > this.seen) this.seen = asOf
  }

  #note({ offset, time, isEnd }: Link): void {
    this.offset = offset
    this.time = time
    this.isEnd = isEnd
  }
}
