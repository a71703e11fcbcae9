/** Catch-ups whose history could not be read: they are tried again, all together. */
import type { CatchUp } from './catch-up.js'
import type { Clock } from './clock.js'
import type { Subscription } from './subscription.js'

/** What the retries need of their namespace. */
export interface RetriesOwner {
  readonly clock: Clock
  readonly canRead: boolean
  /** Resolves when the broker has taken the interest of a subscription. */
  confirmed(subscription: Subscription): true | Promise<boolean>
}

const retryMs = 1_000

export class CatchUpRetries {
  readonly #owner: RetriesOwner
  readonly #waiting = new Set<CatchUp>()
  #isPlanned = false

  constructor(owner: RetriesOwner) {
    this.#owner = owner
  }

  later(catchUp: CatchUp): void {
    this.#waiting.add(catchUp)
    if (this.#isPlanned) return
    this.#isPlanned = true
    this.#owner.clock.after(retryMs, () => {
      this.#isPlanned = false
      this.now()
    })
  }

  now(): void {
    const [first] = this.#waiting
    if (first === undefined) return
    if (!this.#owner.canRead) return this.later(first)
    for (const catchUp of [...this.#waiting]) {
      this.#waiting.delete(catchUp)
      if (catchUp.subscription.isOver) continue
      const confirmed = this.#owner.confirmed(catchUp.subscription)
      if (confirmed === true) catchUp.retry()
      else void confirmed.then((isOk) => (isOk ? catchUp.retry() : this.later(catchUp)))
    }
  }
}
