/** Requests as they come in: collected, grouped by name, and screened for who missed anything. */
import type { Clock } from './clock.js'
import type { History, HistoryState, Screened } from './history.js'
import { screenMax } from './history.js'
import { screenAll } from './recovery-screens.js'
import { RecoveryTarget } from './recovery-target.js'
import type { Recovery } from './recovery.js'

/** What the rounds need of the planner. */
export interface RoundOwner {
  /** Whether so many channels, of which this is the lowest offset wanted, are worth a screen. */
  shouldScreen(channels: number, lowest: number): boolean
  /** Undefined: no answer could be had. */
  screened(targets: readonly RecoveryTarget[], answer: Screened | undefined): void
  /** They are to be read, whatever a screen might say. */
  unscreened(targets: readonly RecoveryTarget[]): void
  /** By the leader's word. */
  learned(state: HistoryState): void
  /** Nobody of the round is left to be looked at. */
  ended(): void
}

export interface RoundOptions {
  readonly history: History
  readonly namespace: string
  readonly clock: Clock
  readonly windowMs: number
  readonly parallelScreensMax: number
}

export class RecoveryRounds {
  count = 0
  readonly #options: RoundOptions
  readonly #owner: RoundOwner
  /** Collected for the next round. */
  #arrived: Recovery[] = []
  #firstArrivedAt = 0
  #isPlanned = false
  #isLearned = false

  constructor(options: RoundOptions, owner: RoundOwner) {
    this.#options = options
    this.#owner = owner
  }

  add(recovery: Recovery): void {
    if (this.#arrived.length === 0) this.#firstArrivedAt = this.#options.clock.now()
    this.#arrived.push(recovery)
    this.#plan()
  }

  /** One at a time: meanwhile the next is collected. */
  #plan(): void {
    if (this.#isPlanned || this.#arrived.length === 0) return
    this.#isPlanned = true
    const { clock, windowMs } = this.#options
    const dueInMs = this.#firstArrivedAt + windowMs - clock.now()
    clock.after(Math.max(0, dueInMs), () => void this.#run())
  }

  async #run(): Promise<void> {
    this.count += 1
    const targets = this.#targets()
    const channels = targets.filter(({ isPattern }) => !isPattern)
    const patterns = targets.filter(({ isPattern }) => isPattern)
    if (channels.length > 0) await this.#screen(channels)
    else if (patterns.length > 0) await this.#askState()
    this.#owner.unscreened(patterns)
    this.#isPlanned = false
    this.#owner.ended()
    this.#plan()
  }

  /** Many requests for one channel become one. */
  #targets(): RecoveryTarget[] {
    const arrived = this.#arrived
    this.#arrived = []
    const byName = new Map<string, RecoveryTarget>()
    for (const recovery of arrived) {
      if (recovery.isOver) continue
      const { name } = recovery.request
      const target = byName.get(name) ?? new RecoveryTarget(name, this.#firstArrivedAt)
      byName.set(name, target)
      target.add(recovery)
    }
    return [...byName.values()]
  }

  async #askState(): Promise<void> {
    const state = await this.#options.history.state(this.#options.namespace)
    if (state === undefined) return
    this.#isLearned = true
    this.#owner.learned(state)
  }

  /** The first request's worth tells where the head is, and so what a scan would cost instead. */
  async #screen(channels: readonly RecoveryTarget[]): Promise<void> {
    const { history, namespace, parallelScreensMax } = this.#options
    const ask = (targets: readonly RecoveryTarget[]): Promise<void> =>
      screenAll(history, namespace, targets, parallelScreensMax, (some, answer) =>
        this.#owner.screened(some, answer),
      )
    const learning = this.#isLearned ? undefined : this.#askState()
    await ask(channels.slice(0, screenMax))
    await learning
    const rest = channels.slice(screenMax)
    if (rest.length === 0) return
    const lowest = rest.reduce((low, { next }) => Math.min(low, next), Infinity)
    if (this.#owner.shouldScreen(rest.length, lowest)) return ask(rest)
    // Only a screen tells what is the newest of all.
    const toScreen = rest.filter(({ wantsNewest }) => wantsNewest)
    this.#owner.unscreened(rest.filter(({ wantsNewest }) => !wantsNewest))
    await ask(toScreen)
  }
}
