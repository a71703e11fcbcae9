/** What a WebSocket asked for by frame, until it is answered, and what is not heard meanwhile. */
import type { Place } from './progress.js'

export interface Asked {
  readonly channel: string
  /** What a subscribe frame shows. */
  readonly place?: Place | undefined
  readonly last?: number | undefined
  readonly isUnsubscribe?: boolean
  /** Nobody wants to know the answer any more. */
  isLeft?: boolean
}

export class UnansweredFrames {
  readonly #asked = new Map<number, Asked>()

  /** Whether there are any. */
  get areSome(): boolean {
    return this.#asked.size > 0
  }

  /** An unsubscribe frame overtakes the subscribe frames of its name. */
  add(id: number, asked: Asked): void {
    for (const other of this.#asked.values()) {
      if (asked.isUnsubscribe && other.channel === asked.channel) other.isLeft = true
    }
    this.#asked.set(id, asked)
  }

  /**
   * What comes of this name is of a subscription that was left, even if there is a new one: what
   * comes until the answer to its newest unsubscribe frame is of before (4.10).
   */
  isLeaving(name: string): boolean {
    return [...this.#asked.values()].some((each) => each.isUnsubscribe && each.channel === name)
  }

  /** What was asked; undefined for frames of other kinds. */
  answer(id: number | undefined): Asked | undefined {
    const asked = this.#asked.get(id as number)
    this.#asked.delete(id as number)
    return asked
  }
}
