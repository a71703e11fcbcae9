/** One timer for all connections: each is visited when its heartbeat, deadline or expiry is due. */
import type { Clock } from '../hub/clock.js'
import { passOn, type OnInternalError } from './internal-error.js'

export interface DueItem {
  /** Does what is due and returns when it wants to be visited next (ms); undefined: never again. */
  due(now: number): number | undefined
  /** The node is leaving: tell the client and end. */
  leave(): void
}

const tickMs = 250

export class DueWheel {
  readonly #clock: Clock
  readonly #onInternalError: OnInternalError
  readonly #slots = new Map<number, DueItem[]>()
  #cancel: () => void = () => {}
  #lastTick: number

  /**
   * Of a clock that never goes back. An exception of one item is told to `onInternalError`, and
   * keeps no other from its visit; by default it is passed on.
   */
  constructor(clock: Clock, onInternalError: OnInternalError = passOn) {
    this.#clock = clock
    this.#onInternalError = onInternalError
    this.#lastTick = Math.floor(clock.now() / tickMs)
    this.#tickLater()
  }

  /** A closed item stays in its slot until that comes: removing it would cost more than a visit. */
  add(item: DueItem, at: number): void {
    const tick = Math.max(Math.ceil(at / tickMs), this.#lastTick + 1)
    const slot = this.#slots.get(tick)
    if (slot === undefined) this.#slots.set(tick, [item])
    else slot.push(item)
  }

  /** Everything that is in the wheel, which is everything that is open. */
  *items(): Generator<DueItem> {
    for (const slot of this.#slots.values()) yield* slot
  }

  stop(): void {
    this.#cancel()
    this.#slots.clear()
  }

  #tickLater(): void {
    this.#cancel = this.#clock.after(tickMs, () => {
      this.#tickLater()
      this.#run(this.#clock.now())
    })
  }

  #run(now: number): void {
    const tick = Math.floor(now / tickMs)
    // After a jump of the clock (a laptop that slept) the slots between are looked up by key.
    const missed = tick - this.#lastTick
    const due =
      missed > this.#slots.size
        ? [...this.#slots.keys()].filter((key) => key <= tick).sort((a, b) => a - b)
        : Array.from({ length: missed }, (_, at) => this.#lastTick + 1 + at)
    this.#lastTick = tick
    for (const key of due) this.#visit(key, now)
  }

  #visit(key: number, now: number): void {
    const slot = this.#slots.get(key)
    if (slot === undefined) return
    this.#slots.delete(key)
    for (const item of slot) {
      try {
        const next = item.due(now)
        if (next !== undefined) this.add(item, next)
      } catch (error) {
        this.#onInternalError(error)
        this.#end(item)
      }
    }
  }

  /** It is in the wheel no longer: what has no expiry any more must not stay open. */
  #end(item: DueItem): void {
    try {
      item.leave()
    } catch (error) {
      this.#onInternalError(error)
    }
  }
}
