/** The wall clock as timers want it: when it is set back, this one goes on from where it was. */
import type { Clock } from './clock.js'

export class SteadyClock implements Clock {
  readonly #wall: Clock
  #seen: number
  #setBackMs = 0

  constructor(wall: Clock) {
    this.#wall = wall
    this.#seen = wall.now()
  }

  now(): number {
    const wall = this.#wall.now()
    if (wall < this.#seen) this.#setBackMs += this.#seen - wall
    this.#seen = wall
    return wall + this.#setBackMs
  }

  after(delayMs: number, run: () => void): () => void {
    return this.#wall.after(delayMs, run)
  }

  /** How far ahead of the wall clock this one is: what a time of the wall has to be given. */
  get setBackMs(): number {
    this.now()
    return this.#setBackMs
  }
}
