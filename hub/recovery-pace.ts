/** When scans may begin: it is worth waiting for many who come one after another, for one not. */
import type { Clock } from './clock.js'
import type { RecoveryCosts } from './recovery-plan.js'
import { scanDueAt } from './recovery-plan.js'

/** Those who wait, and what one scan for all of them would cost. */
export interface Waiters {
  readonly scanUs: number
  /** Since when the first of them has waited. */
  readonly waitingSince: number
  readonly lastArrivedAt: number
}

export class RecoveryPace {
  readonly #clock: Clock
  readonly #costs: RecoveryCosts
  readonly #due: () => void
  #cancelDue: (() => void) | undefined
  /** What single reads for all who came lately would have cost; it leaks away. */
  #demandUs = 0
  #leakedAt: number
  #isHeavy = false
  /** When those who had waited were last released. */
  #releasedAt = -Infinity
  #scanEndedAt = -Infinity

  /** @param due called when those who were told to wait may be released */
  constructor(clock: Clock, costs: RecoveryCosts, due: () => void) {
    this.#clock = clock
    this.#costs = costs
    this.#due = due
    this.#leakedAt = clock.now()
  }

  /** Somebody has come whom a single read would cost this much. */
  demand(readUs: number): void {
    this.#demandUs += readUs
  }

  /**
   * Whether single reads have lately cost, or would have, as much as a scan for those who wait, and
   * more than scans are allowed: then nobody is read singly before others had time to come.
   */
  isHeavy(scanUs: number): boolean {
    const now = this.#clock.now()
    const leakedUs = ((now - this.#leakedAt) * 1_000) / this.#costs.scanSpacing
    this.#leakedAt = now
    // Bounded: a storm that is over must not count for long.
    this.#demandUs = Math.min(2 * scanUs, Math.max(0, this.#demandUs - leakedUs))
    const isHeavy = this.#demandUs >= scanUs
    if (isHeavy && !this.#isHeavy) this.#releasedAt = now
    this.#isHeavy = isHeavy
    return isHeavy
  }

  /** Whether they may be released; if not, `due` is called when they may be. */
  mayRelease(waiters: Waiters): boolean {
    const lastBeganAt = this.#releasedAt
    const circumstances = { ...waiters, lastBeganAt, lastEndedAt: this.#scanEndedAt }
    const waitMs = scanDueAt(circumstances, this.#costs) - this.#clock.now()
    this.close()
    if (waitMs <= 0) return true
    this.#cancelDue = this.#clock.after(waitMs, () => {
      this.#cancelDue = undefined
      this.#due()
    })
    return false
  }

  released(): void {
    this.#releasedAt = this.#clock.now()
  }

  scanEnded(): void {
    this.#scanEndedAt = this.#clock.now()
  }

  close(): void {
    this.#cancelDue?.()
    this.#cancelDue = undefined
  }
}
