/** The check that of each durable channel nothing is missing, and nothing twice (PROTOCOL 5.10). */
import type { GapFrame, PublicationFrame } from '../shared/frames.js'

export type Link =
  /** New, and nothing is known to be missing before it. */
  | 'next'
  | 'duplicate'
  /** Something before it has not come, and no gap said so. */
  | 'broken'

/** What is looked at of a publication. */
type Placed = Pick<PublicationFrame, 'channel' | 'pattern' | 'offset' | 'previous'>

interface Got {
  readonly offset: number
  /** A gap was told: what comes next need not follow what came last. */
  readonly isAnew: boolean
}

/** Channels that came through a pattern, of which the newest offset is remembered. */
const patternChannelsMax = 1_000

export class Chain {
  /** By channel, of those that are subscribed by name. */
  readonly #got = new Map<string, Got>()
  /**
   * By pattern and channel, the one heard of longest ago first: a recovery by pattern may bring
   * some again (PROTOCOL 14.7).
   */
  readonly #gotByPattern = new Map<string, number>()

  /** Everything of this channel up to `offset` has been got, or is not wanted. */
  begin(channel: string, offset: number): void {
    this.#got.set(channel, { offset, isAnew: false })
  }

  check({ channel, pattern, offset, previous = 0 }: Placed): Link {
    if (offset === undefined) return 'next'
    // Who is before whom among the channels of a pattern is not told.
    if (pattern !== undefined) {
      return offset <= (this.#gotByPattern.get(keyOf(pattern, channel)) ?? 0) ? 'duplicate' : 'next'
    }
    const got = this.#got.get(channel)
    if (got === undefined) return 'next'
    if (offset <= got.offset) return 'duplicate'
    return previous > got.offset && !got.isAnew ? 'broken' : 'next'
  }

  /** Takes what is next; false: it is not. */
  add(publication: Placed): boolean {
    if (this.check(publication) !== 'next') return false
    const { channel, pattern, offset } = publication
    if (offset === undefined) return true
    if (pattern === undefined) this.begin(channel, offset)
    else this.#addByPattern(keyOf(pattern, channel), offset)
    return true
  }

  gap({ channel, before, epoch, offset }: GapFrame): void {
    if (epoch !== undefined && offset !== undefined) {
      this.#got.set(channel, { offset, isAnew: true })
      this.#forgetPattern(channel)
    } else if (before !== undefined) {
      this.#got.set(channel, { offset: before - 1, isAnew: true })
    } else {
      this.#got.delete(channel)
    }
  }

  /** What is subscribed by this name later begins anew. */
  forget(name: string): void {
    this.#got.delete(name)
    this.#forgetPattern(name)
  }

  #addByPattern(key: string, offset: number): void {
    this.#gotByPattern.delete(key)
    this.#gotByPattern.set(key, offset)
    const [oldest] = this.#gotByPattern.keys()
    if (oldest !== undefined && this.#gotByPattern.size > patternChannelsMax) {
      this.#gotByPattern.delete(oldest)
    }
  }

  /** Offsets of another history do not compare. */
  #forgetPattern(pattern: string): void {
    for (const key of this.#gotByPattern.keys()) {
      if (key.startsWith(keyOf(pattern, ''))) this.#gotByPattern.delete(key)
    }
  }
}

/** No name has a blank in it. */
function keyOf(pattern: string, channel: string): string {
  return `${pattern} ${channel}`
}
