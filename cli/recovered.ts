/** Counts what a tail missed while it was disconnected, and says so once that has come. */
import type { Clock } from '../client/clock.js'

/** Nothing more of what was missed has come for so long: that was all. */
const quietMs = 1_000

export class RecoveredCount {
  readonly #clock: Clock
  readonly #say: (sentence: string) => void
  /** How much later than it was stored something arrives: clocks differ, too. */
  #leastDelayMs = Infinity
  #backAt: number | undefined
  #count = 0
  #isWhole = true
  #cancel: () => void = () => undefined

  constructor(clock: Clock, say: (sentence: string) => void) {
    this.#clock = clock
    this.#say = say
  }

  /** Connected again. What an earlier attempt brought counts, if it was interrupted. */
  begin(): void {
    if (this.#backAt === undefined) {
      this.#count = 0
      this.#isWhole = true
    }
    this.#backAt = this.#clock.now()
    this.#wait()
  }

  /** Disconnected: more is to come. */
  interrupt(): void {
    this.#cancel()
  }

  lose(): void {
    this.#isWhole = false
  }

  /** `time`: when it was stored, in ms since 1970 by the clock of the node. */
  take(time: number): void {
    const least = Number.isFinite(this.#leastDelayMs) ? this.#leastDelayMs : 0
    if (this.#backAt !== undefined && time + least <= this.#backAt) {
      this.#count += 1
      this.#wait()
      return
    }
    this.#leastDelayMs = Math.min(this.#leastDelayMs, this.#clock.now() - time)
    this.end()
  }

  /** It is over, or something live has come. */
  end(): void {
    this.#cancel()
    if (this.#backAt === undefined) return
    this.#backAt = undefined
    this.#say(this.#sentence())
  }

  #wait(): void {
    this.#cancel()
    this.#cancel = this.#clock.after(quietMs, () => this.end())
  }

  #sentence(): string {
    const count = `Recovered ${this.#count} publication${this.#count === 1 ? '' : 's'}`
    if (!this.#isWhole) return `${count}; what is lost was said above.`
    return this.#count === 0 ? 'Nothing was missed.' : `${count}, nothing lost.`
  }
}
