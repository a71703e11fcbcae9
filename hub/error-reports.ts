/** Errors of a broker as events, bounded: one bad receiver must not write a log line a message. */
import type { BrokerEvent } from './broker.js'

const windowMs = 60_000
const reasonsMax = 10

export class ErrorReports {
  /** All of them, told or not. */
  count = 0
  readonly #emit: (event: BrokerEvent) => void
  readonly #now: () => number
  readonly #reasons = new Set<string>()
  #windowStart = 0

  constructor(emit: (event: BrokerEvent) => void, now: () => number) {
    this.#emit = emit
    this.#now = now
  }

  /** Told once a minute for each reason, and for at most ten reasons a minute. */
  report(reason: string): void {
    this.count += 1
    const now = this.#now()
    if (Math.abs(now - this.#windowStart) >= windowMs) {
      this.#windowStart = now
      this.#reasons.clear()
    }
    if (this.#reasons.has(reason) || this.#reasons.size >= reasonsMax) return
    this.#reasons.add(reason)
    this.#emit({ type: 'error', reason })
  }
}
