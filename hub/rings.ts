/** All rings of a node: bounded together, the least recently used one dropped first. */
import type { GapReason } from '../shared/codes.js'
import type { Clock } from './clock.js'
import type { Interest } from './interest.js'
import type { Publication } from './publication.js'
import { Ring } from './ring.js'

export interface RingLimits {
  /** Publications of one ring. */
  readonly ringCountMax: number
  /** Bytes of one ring. */
  readonly ringBytesMax: number
  /** Bytes of all rings of the node. */
  readonly ringsBytesMax: number
  /** How long a ring without readers is kept. */
  readonly lingerMs: number
}

export class Rings {
  bytes = 0
  /** Rings dropped for want of room: their readers are told of a gap. */
  evictions = 0
  readonly #clock: Clock
  readonly #limits: RingLimits
  /** In the order of use, the oldest first. */
  readonly #interests = new Set<Interest>()

  constructor(clock: Clock, limits: RingLimits) {
    this.#clock = clock
    this.#limits = limits
  }

  get count(): number {
    return this.#interests.size
  }

  /** Begins a ring that is complete from `since` on, or marks the one there is as used. */
  keep(interest: Interest, since: number, sinceTime?: number): void {
    const { ringCountMax, ringBytesMax } = this.#limits
    if (interest.ring === undefined) {
      interest.ring = new Ring(since, this.#clock.now(), ringCountMax, ringBytesMax)
      interest.ring.sinceTime = sinceTime
    }
    this.use(interest)
  }

  /** Marks the ring as used, if there is one. */
  use(interest: Interest): void {
    if (interest.ring === undefined) return
    interest.ring.usedAt = this.#clock.now()
    this.#interests.delete(interest)
    this.#interests.add(interest)
  }

  push(ring: Ring, publication: Publication): void {
    const before = ring.bytes
    ring.push(publication)
    this.bytes += ring.bytes - before
    while (this.bytes > this.#limits.ringsBytesMax) {
      const [oldest] = this.#interests
      if (oldest === undefined) return
      this.drop(oldest)
      this.evictions += 1
    }
  }

  drop(interest: Interest): void {
    if (interest.ring === undefined) return
    this.bytes -= interest.ring.bytes
    interest.ring = undefined
    this.#interests.delete(interest)
  }

  /** After a break: what is in the ring cannot be continued. */
  restart(ring: Ring, since: number, reason: GapReason, sinceTime?: number): void {
    this.bytes -= ring.bytes
    ring.restart(since, reason, sinceTime)
  }

  sweep(): void {
    const oldest = this.#clock.now() - this.#limits.lingerMs
    for (const interest of this.#interests) {
      if (interest.ring !== undefined && interest.ring.usedAt >= oldest) return
      // A poll may wait longer than a ring lingers: as long as it is here, the ring is in use.
      if (interest.usesRing) this.use(interest)
      else this.drop(interest)
    }
  }
}
