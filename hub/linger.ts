/** Interests without a subscriber, kept a while: a reloaded page must not churn the broker. */
import type { Clock } from './clock.js'
import type { Interest } from './interest.js'

export interface LingerLimits {
  readonly lingerMs: number
  readonly lingeringMax: number
}

/** Ending one costs the broker some 4 us, and a storm's leavers all come due at once. */
const endedPerSweepMax = 2_000

export class Linger {
  readonly #clock: Clock
  readonly #limits: LingerLimits
  readonly #end: (interest: Interest) => void
  /** Since when each is idle, the oldest first. */
  readonly #idleSince = new Map<Interest, number>()

  constructor(clock: Clock, limits: LingerLimits, end: (interest: Interest) => void) {
    this.#clock = clock
    this.#limits = limits
    this.#end = end
  }

  get count(): number {
    return this.#idleSince.size
  }

  add(interest: Interest): void {
    this.#idleSince.set(interest, this.#clock.now())
    if (this.#idleSince.size > this.#limits.lingeringMax) this.endOldest()
  }

  delete(interest: Interest): void {
    this.#idleSince.delete(interest)
  }

  /** Makes room. False: nobody lingers. */
  endOldest(): boolean {
    const [oldest] = this.#idleSince.keys()
    if (oldest === undefined) return false
    this.#idleSince.delete(oldest)
    this.#end(oldest)
    return true
  }

  sweep(): void {
    const oldest = this.#clock.now() - this.#limits.lingerMs
    let ended = 0
    for (const since of this.#idleSince.values()) {
      if (since > oldest || ended === endedPerSweepMax) return
      this.endOldest()
      ended += 1
    }
  }
}
