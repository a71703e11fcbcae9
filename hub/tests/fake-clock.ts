/** A clock that stands still until a test turns it; for the tests of hub, gateway and cli. */
import type { Clock } from '../clock.js'

interface Timer {
  readonly at: number
  readonly run: () => void
}

export class FakeClock implements Clock {
  #now: number
  readonly #timers = new Set<Timer>()

  /** By default the time of the machine, so that freshly minted tokens are valid. */
  constructor(nowMs: number = Date.now()) {
    this.#now = nowMs
  }

  now(): number {
    return this.#now
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.#now + delayMs, run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Timers that have neither run nor been cancelled. */
  get pending(): number {
    return this.#timers.size
  }

  /** Until the next timer; undefined if there is none. */
  get nextInMs(): number | undefined {
    const next = this.#nextUntil(Infinity)
    return next && next.at - this.#now
  }

  /** Runs what falls due on the way, in order, those timers too that are set meanwhile. */
  advance(ms: number): void {
    const end = this.#now + ms
    for (let next = this.#nextUntil(end); next !== undefined; next = this.#nextUntil(end)) {
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
    }
    this.#now = end
  }

  #nextUntil(end: number): Timer | undefined {
    let next: Timer | undefined
    for (const timer of this.#timers) {
      if (timer.at <= end && (next === undefined || timer.at < next.at)) next = timer
    }
    return next
  }
}
