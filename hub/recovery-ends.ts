/** Who has all its data, until its leader has said what the history's state is: asked for many. */
import type { Clock } from './clock.js'
import type { HistoryState } from './history.js'
import type { RecoveryLimits } from './recovery-limits.js'
import type { Recovery } from './recovery.js'

export class RecoveryEnds {
  readonly #ask: () => Promise<HistoryState | undefined>
  readonly #clock: Clock
  readonly #limits: RecoveryLimits
  readonly #end: (recovery: Recovery, state: HistoryState | undefined) => void
  #waiting: Recovery[] = []
  #isRunning = false
  #askedAt = -Infinity

  /** @param end with undefined: the leader could not be asked */
  constructor(
    ask: () => Promise<HistoryState | undefined>,
    clock: Clock,
    limits: RecoveryLimits,
    end: (recovery: Recovery, state: HistoryState | undefined) => void,
  ) {
    this.#ask = ask
    this.#clock = clock
    this.#limits = limits
    this.#end = end
  }

  add(recovery: Recovery): void {
    this.#waiting.push(recovery)
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    // Those who come to their end within the same callback are asked for together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const spacedMs = this.#askedAt + this.#limits.stateSpacingMs - this.#clock.now()
      if (spacedMs > 0) await this.#pass(spacedMs)
      const ended = this.#waiting
      this.#waiting = []
      await this.#tell(ended, await this.#state())
    }
    this.#isRunning = false
  }

  async #state(): Promise<HistoryState | undefined> {
    for (let failures = 0; ; failures += 1) {
      this.#askedAt = this.#clock.now()
      const state = await this.#ask()
      if (state !== undefined || failures === this.#limits.failuresMax) return state
      await this.#pass(this.#limits.failureRetryMs)
    }
  }

  /** Thousands at once would hold live delivery up. */
  async #tell(ended: readonly Recovery[], state: HistoryState | undefined): Promise<void> {
    let told = 0
    for (const recovery of ended) {
      if (told === this.#limits.donePerTurnMax) {
        await this.#pass(0)
        told = 0
      }
      this.#end(recovery, state)
      told += 1
    }
  }

  #pass(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(ms, resolve))
  }
}
