/** What a node knows of a history: which one it is, and how long; it notices another one. */
import type { Clock } from './clock.js'
import type { HistoryState } from './history.js'

/** `other`: it is not what it was, and everybody has been told. `unsure`: that is looked into. */
export type Lesson = 'same' | 'other' | 'unsure'

export interface KnownHistoryOwner {
  readonly clock: Clock
  /** Seen for the first time. */
  historyBegins(state: HistoryState): void
  /** Made anew, or set back to what it was earlier. */
  historyChanged(state: HistoryState): void
  /** It is well after all, or cannot be asked: verify. */
  verify(): void
}

/** A history that seems to have been rewound is looked at again, before that is believed. */
const secondOpinionMs = 500
const suspicionsMs = 1_000

export class KnownHistory {
  /** Undefined: it has not been seen yet. */
  epoch: string | undefined = undefined
  /** It is known to have been this long. */
  last = 0
  readonly #owner: KnownHistoryOwner
  readonly #askLeader: () => Promise<HistoryState | undefined>
  /** How long it was known to be when its leader was asked for this. */
  readonly #lastBefore = new WeakMap<HistoryState, number>()
  #suspectedAt = -Infinity
  #isAsking = false

  constructor(owner: KnownHistoryOwner, askLeader: () => Promise<HistoryState | undefined>) {
    this.#owner = owner
    this.#askLeader = askLeader
  }

  async state(): Promise<HistoryState | undefined> {
    const { last } = this
    const state = await this.#askLeader()
    if (state !== undefined) this.#lastBefore.set(state, last)
    return state
  }

  heard(offset: number): void {
    if (offset > this.last) this.last = offset
  }

  /** From what its leader says of it. */
  learn(state: HistoryState): Lesson {
    if (this.epoch === undefined) {
      this.epoch = state.epoch
      this.heard(state.last)
      this.#owner.historyBegins(state)
      return 'same'
    }
    if (state.epoch !== this.epoch) {
      this.#change(state)
      return 'other'
    }
    // What came live since then its leader need not have had.
    if (state.last >= (this.#lastBefore.get(state) ?? this.last)) {
      this.heard(state.last)
      return 'same'
    }
    void this.#askAgain()
    return 'unsure'
  }

  /** At most once a second: whoever publishes strangely must not make us ask for ever. */
  suspect(): void {
    const now = this.#owner.clock.now()
    if (now - this.#suspectedAt < suspicionsMs) return
    this.#suspectedAt = now
    void this.state().then((state) => state !== undefined && this.learn(state))
  }

  /** A leader that was cut off may speak of the past for a moment. */
  async #askAgain(): Promise<void> {
    if (this.#isAsking) return
    this.#isAsking = true
    const { last } = this
    await new Promise<void>((resolve) => this.#owner.clock.after(secondOpinionMs, resolve))
    const state = await this.state()
    this.#isAsking = false
    if (state === undefined || state.epoch !== this.epoch) return this.#owner.verify()
    if (state.last < last) this.#change(state)
    else this.heard(state.last)
  }

  #change(state: HistoryState): void {
    this.epoch = state.epoch
    this.last = state.last
    this.#owner.historyChanged(state)
  }
}
