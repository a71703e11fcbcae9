/** Chance that comes out the same for the same seed (xorshift32). */

export class SeededRandom {
  #state: number

  /** Any whole number but 0. */
  constructor(seed: number) {
    // Else the first numbers of all small seeds are next to 0.
    this.#state = Math.imul(seed, 2_654_435_761) | 0 || 1
  }

  /** From 0 up to, not including, 1. */
  readonly next = (): number => {
    let state = this.#state
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    this.#state = state
    return (state >>> 0) / 4_294_967_296
  }

  /** A whole number from 0 to `max`, both included. */
  upTo(max: number): number {
    return Math.floor(this.next() * (max + 1))
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.upTo(items.length - 1)] as Item
  }
}
