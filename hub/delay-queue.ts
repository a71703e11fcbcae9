/** Things that come back after a fixed time, together, with one timer for all of them. */
import type { Clock } from './clock.js'

export class DelayQueue<T> {
  readonly #clock: Clock
  readonly #delayMs: number
  readonly #comeBack: (things: readonly T[]) => void
  /** In the order of time, as the delay is the same for all. */
  #waiting: { readonly dueAt: number; readonly thing: T }[] = []
  #cancel: (() => void) | undefined

  constructor(clock: Clock, delayMs: number, comeBack: (things: readonly T[]) => void) {
    this.#clock = clock
    this.#delayMs = delayMs
    this.#comeBack = comeBack
  }

  add(thing: T): void {
    this.#waiting.push({ dueAt: this.#clock.now() + this.#delayMs, thing })
    this.#cancel ??= this.#clock.after(this.#delayMs, () => this.#due())
  }

  close(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#waiting = []
  }

  #due(): void {
    this.#cancel = undefined
    const now = this.#clock.now()
    const firstLater = this.#waiting.findIndex(({ dueAt }) => dueAt > now)
    const count = firstLater === -1 ? this.#waiting.length : firstLater
    const due = this.#waiting.splice(0, count).map(({ thing }) => thing)
    const next = this.#waiting[0]
    if (next) this.#cancel = this.#clock.after(next.dueAt - now, () => this.#due())
    this.#comeBack(due)
  }
}
