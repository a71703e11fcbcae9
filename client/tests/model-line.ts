/** One direction of a connection: in order, late, in bursts, until it breaks or falls silent. */
import type { Clock } from '../clock.js'
import type { Chance } from './model-chance.js'

export class ModelLine<Item> {
  readonly #clock: Clock
  readonly #chance: Chance
  readonly #deliver: (item: Item) => void
  readonly #cut: (undelivered: Item) => void
  #dueAt = 0
  #isOver = false
  #isSilent = false

  /** @param cut it broke while this was on its way */
  constructor(
    clock: Clock,
    chance: Chance,
    deliver: (item: Item) => void,
    cut: (undelivered: Item) => void,
  ) {
    this.#clock = clock
    this.#chance = chance
    this.#deliver = deliver
    this.#cut = cut
  }

  /** Nothing comes through any more, and nobody says so. */
  get isSilent(): boolean {
    return this.#isSilent
  }

  send(item: Item): void {
    if (this.#isOver) return
    const now = this.#clock.now()
    this.#dueAt = Math.max(this.#dueAt, now + this.#chance.delayMs())
    const isCut = this.#chance.has('cut')
    const isSilent = this.#chance.has('silence')
    this.#clock.after(this.#dueAt - now, () => {
      if (this.#isOver) return
      if (isCut || isSilent) this.#isOver = true
      this.#isSilent = isSilent
      if (isCut) this.#cut(item)
      else if (!isSilent) this.#deliver(item)
    })
  }

  /** What is on its way is lost. */
  close(): void {
    this.#isOver = true
  }
}
