/** Connections that take more of their histories again: the hub is told in a turn of its own. */
import { passOn, type OnInternalError } from './internal-error.js'

export interface CatchingUp {
  /** Takes as much as there is room for; may unsubscribe and close. */
  goOn(): void
}

/** So many are given their portion before other events get their turn. */
const sliceMax = 100

/**
 * Room shows in the middle of a flush, and a flush may be in the middle of a fan-out: who became
 * live there would get the publication twice. And a crowd that catches up leaves others their turn.
 */
export class CatchUpQueue {
  #items: CatchingUp[] = []
  readonly #onInternalError: OnInternalError
  readonly #run: () => void

  /** An exception of one item keeps no other from its turn; by default it is passed on. */
  constructor(onInternalError: OnInternalError = passOn) {
    this.#onInternalError = onInternalError
    this.#run = () => this.#runSlice()
  }

  add(item: CatchingUp): void {
    if (this.#items.push(item) === 1) setImmediate(this.#run)
  }

  #runSlice(): void {
    const slice = this.#items.slice(0, sliceMax)
    this.#items = this.#items.slice(sliceMax)
    // Whoever is added meanwhile finds a queue that is empty, or one whose next turn is planned.
    if (this.#items.length > 0) setImmediate(this.#run)
    for (const item of slice) {
      try {
        item.goOn()
      } catch (error) {
        this.#onInternalError(error)
      }
    }
  }
}
