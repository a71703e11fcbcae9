/** Pages of history that are read for their own sake, in their turn among those for recoveries. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { History, ReadPage } from './history.js'
import type { RecoveryLimits } from './recovery-limits.js'

export interface HistoryPage {
  readonly name: Channel | Pattern
  readonly from: number
  readonly countMax: number
  readonly bytesMax: number
  readonly resolve: (page: ReadPage | undefined) => void
}

export class HistoryPages {
  readonly #history: History
  readonly #namespace: string
  readonly #limits: RecoveryLimits
  readonly #waiting = new Set<HistoryPage>()

  constructor(history: History, namespace: string, limits: RecoveryLimits) {
    this.#history = history
    this.#namespace = namespace
    this.#limits = limits
  }

  get isFull(): boolean {
    return this.#waiting.size >= this.#limits.pagesWaitingMax
  }

  /** One that `run` has to be called for, in its turn. */
  add(page: HistoryPage): HistoryPage {
    const countMax = Math.min(page.countMax, this.#limits.historyPageCountMax)
    const bytesMax = Math.min(page.bytesMax, this.#limits.pageBytesMax)
    const bounded = { ...page, countMax, bytesMax }
    this.#waiting.add(bounded)
    return bounded
  }

  async run(page: HistoryPage): Promise<void> {
    const { name, from, countMax, bytesMax, resolve } = page
    // The planner was closed.
    if (!this.#waiting.has(page)) return
    resolve(await this.#history.read(this.#namespace, name, from, countMax, bytesMax))
    this.#waiting.delete(page)
  }

  close(): void {
    for (const page of this.#waiting) page.resolve(undefined)
    this.#waiting.clear()
  }
}
