/** What a node knows of a history: which one it is, and how long; it notices another one. */
import { isSameTime } from '../shared/position.js'
import type { Pattern } from '../shared/pattern.js'
import type { Clock } from './clock.js'
import type { History, HistoryState } from './history.js'
import type { Publication } from './publication.js'

/** `other`: it is not what it was, and everybody has been told. `unsure`: that is looked into. */
export type Lesson = 'same' | 'other' | 'unsure'

export interface KnownHistoryOwner {
  readonly name: string
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
  readonly #history: History
  /** How long it was known to be when its leader was asked for this. */
  readonly #lastBefore = new WeakMap<HistoryState, number>()
  /** The newest that came from it. */
  #newest: Publication | undefined = undefined
  /** The newest of before it was out of sight: another one in its place is another history. */
  #doubted: Publication | undefined = undefined
  /** What was doubted, and is not there any more. */
  readonly #outgrown = new WeakMap<HistoryState, Publication>()
  #suspectedAt = -Infinity
  #isAsking = false

  constructor(owner: KnownHistoryOwner, history: History) {
    this.#owner = owner
    this.#history = history
  }

  async state(): Promise<HistoryState | undefined> {
    const { last } = this
    const doubted = this.#doubted
    const state = await this.#history.state(this.#owner.name)
    if (state === undefined) return undefined
    this.#lastBefore.set(state, last)
    // One that is shorter, or has another name, is another one anyway.
    if (doubted === undefined || state.epoch !== this.epoch || state.last < doubted.offset) {
      return state
    }
    const isThere = await this.#isThere(doubted)
    if (isThere === undefined) return undefined
    if (!isThere) this.#outgrown.set(state, doubted)
    else if (this.#doubted === doubted) this.#doubted = undefined
    return state
  }

  /** It is out of sight: set back meanwhile, it may grow beyond what is known before it is seen. */
  doubt(): void {
    this.#doubted ??= this.#newest
  }

  came(publication: Publication): void {
    const { offset } = publication
    if (offset > (this.#newest?.offset ?? 0)) this.#newest = publication
    this.heard(offset)
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
    const isOutgrown = this.#doubted !== undefined && this.#outgrown.get(state) === this.#doubted
    if (state.epoch !== this.epoch || isOutgrown) {
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
    else this.learn(state)
  }

  /** Or removed, which tells nothing. Undefined: it cannot be told now. */
  async #isThere({ channel, offset, time }: Publication): Promise<boolean | undefined> {
    const { name } = this.#owner
    const all = (channel.includes('.') ? `${name}.>` : '*') as Pattern
    const page = await this.#history.read(name, all, offset, 1, 1)
    const found = page?.publications[0]
    if (found?.offset === offset) return found.channel === channel && isSameTime(time, found.time)
    return found !== undefined || (page !== undefined && page.asOf >= offset) ? true : undefined
  }

  #change(state: HistoryState): void {
    this.#newest = undefined
    this.#doubted = undefined
    this.epoch = state.epoch
    this.last = state.last
    this.#owner.historyChanged(state)
  }
}
