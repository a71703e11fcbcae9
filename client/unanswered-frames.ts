/** What a WebSocket asked for by frame, until it is answered, and what is not heard meanwhile. */
import type { Place } from './progress.js'

/** What a subscribe frame asked for. */
export interface Asked {
  readonly channel: string
  readonly place: Place | undefined
  readonly last: number | undefined
}

export class UnansweredFrames {
  /** By the id of the subscribe frame. */
  readonly #asked = new Map<number, Asked>()
  /** By id, the names of unsubscribe frames, and of subscribe frames that they have overtaken. */
  readonly #left = new Map<number, string>()
  /** By name, its newest unsubscribe frame: what comes until its answer is of before (4.10). */
  readonly #leaving = new Map<string, number>()

  subscribe(id: number, asked: Asked): void {
    this.#asked.set(id, asked)
  }

  unsubscribe(id: number, name: string): void {
    for (const [earlier, { channel }] of this.#asked) {
      if (channel !== name) continue
      this.#asked.delete(earlier)
      this.#left.set(earlier, name)
    }
    this.#left.set(id, name)
    this.#leaving.set(name, id)
  }

  /** What comes of this name is of a subscription that was left, even if there is a new one. */
  isLeaving(name: string): boolean {
    return this.#leaving.has(name)
  }

  /** Whether a subscription is to be answered yet. */
  get isWaiting(): boolean {
    return this.#asked.size > 0
  }

  /** What was asked; `left`: by now nobody wants to know. Undefined for frames of other kinds. */
  answer(id: number): Asked | 'left' | undefined {
    const name = this.#left.get(id)
    if (name !== undefined) {
      this.#left.delete(id)
      if (this.#leaving.get(name) === id) this.#leaving.delete(name)
      return 'left'
    }
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    return asked
  }
}
