/** A clock that tests turn by hand. */
import type { Clock } from '../clock.js'

interface Timer {
  readonly at: number
  readonly run: () => void
}

export class FakeClock implements Clock {
  #now = 1_000_000
  readonly #timers = new Set<Timer>()

  now(): number {
    return this.#now
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { at: this.#now + delayMs, run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** The delays of all timers that are waiting, shortest first. */
  get delays(): readonly number[] {
    return [...this.#timers].map((timer) => timer.at - this.#now).sort((a, b) => a - b)
  }

  advance(ms: number): void {
    const end = this.#now + ms
    for (;;) {
      const next = [...this.#timers].sort((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > end) break
      this.#timers.delete(next)
      this.#now = Math.max(this.#now, next.at)
      next.run()
    }
    this.#now = end
  }

  /** The machine sleeps: what was due meanwhile comes when it wakes. */
  sleep(ms: number): void {
    this.#now += ms
    this.advance(0)
  }
}
