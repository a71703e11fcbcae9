/** Turns a flood of the same trouble into two reports: where it begins, and what it came to. */
import type { Clock } from '../hub/clock.js'

export interface StretchSummary {
  readonly count: number
  /** From the first to the last of them. */
  readonly durationMs: number
}

export class Stretch {
  readonly #clock: Clock
  readonly #quietMs: number
  readonly #begin: () => void
  readonly #end: (summary: StretchSummary) => void
  #count = 0
  #firstAt = 0
  #lastAt = 0

  /** `begin` is called for the first; `end` once there was none for `quietMs`. */
  constructor(
    clock: Clock,
    quietMs: number,
    begin: () => void,
    end: (summary: StretchSummary) => void,
  ) {
    this.#clock = clock
    this.#quietMs = quietMs
    this.#begin = begin
    this.#end = end
  }

  /** Cheap while a stretch lasts: no timer, no allocation. */
  hit(count = 1): void {
    const isFirst = this.#count === 0
    this.#lastAt = this.#clock.now()
    this.#count += count
    if (!isFirst) return
    this.#firstAt = this.#lastAt
    this.#begin()
    this.#clock.after(this.#quietMs, () => this.#look())
  }

  #look(): void {
    const restMs = this.#lastAt + this.#quietMs - this.#clock.now()
    if (restMs > 0) {
      this.#clock.after(restMs, () => this.#look())
      return
    }
    const summary = { count: this.#count, durationMs: this.#lastAt - this.#firstAt }
    this.#count = 0
    this.#end(summary)
  }
}
