/** Chance of the model's network: what is cut, late or silent; nothing once it is healed. */

export interface Odds {
  /** Of each frame: the line breaks instead of it. */
  readonly cut: number
  /** Of each frame: from here on nothing comes, and nobody says so. */
  readonly silence: number
  /** Of each frame: it is late, and what follows with it. */
  readonly late: number
  /** Of each durable publication by frame or stream: it comes twice. */
  readonly twice: number
  /** Of each request or subscription: it is refused for now. */
  readonly refusal: number
  /** Of each time that the token is asked for: there is none. */
  readonly noToken: number
  /** Of each connection: the load balancer forgets to which node the client belongs. */
  readonly wander: number
}

/** Nothing fails by chance. */
export const calm: Odds = {
  ...{ cut: 0, silence: 0, late: 0, twice: 0, refusal: 0, noToken: 0, wander: 0 },
}

export class Chance {
  readonly random: () => number
  #odds: Odds

  constructor(random: () => number, odds: Odds) {
    this.random = random
    this.#odds = odds
  }

  heal(): void {
    this.#odds = calm
  }

  has(fault: keyof Odds): boolean {
    return this.random() < this.#odds[fault]
  }

  upTo(max: number): number {
    return Math.floor(this.random() * (max + 1))
  }

  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[this.upTo(items.length - 1)]
  }

  delayMs(): number {
    return this.has('late') ? this.upTo(4_000) : this.upTo(20)
  }
}
