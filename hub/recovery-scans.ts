/** The scans of one namespace, one after another: when the next may begin, and how long it takes. */
import type { Clock } from './clock.js'
import type { History, ScanEnd, StoredPublication } from './history.js'
import type { RecoveryCosts } from './recovery-plan.js'
import { scanDueAt } from './recovery-plan.js'
import { RecoveryScan } from './recovery-scan.js'
import type { RecoveryTarget } from './recovery-target.js'

export interface LongScan {
  readonly namespace: string
  readonly durationMs: number
  readonly publications: number
}

export interface ScanOptions {
  readonly history: History
  readonly namespace: string
  readonly clock: Clock
  readonly costs: RecoveryCosts
  readonly scanMsMax: number
  readonly onLongScan: (scan: LongScan) => void
  readonly onError: (reason: string) => void
}

/** What the scans need of the planner. */
export interface ScanOwner {
  hand(target: RecoveryTarget, publication: StoredPublication): void
  /** One that was not due before may be now. */
  due(): void
  ended(scan: RecoveryScan, end: ScanEnd | undefined): void
}

const longScanMs = 1_000

export class RecoveryScans {
  count = 0
  publications = 0
  current: RecoveryScan | undefined = undefined
  readonly #options: ScanOptions
  readonly #owner: ScanOwner
  #lastBeganAt = -Infinity
  #lastEndedAt = -Infinity
  #cancelDue: (() => void) | undefined

  constructor(options: ScanOptions, owner: ScanOwner) {
    this.#options = options
    this.#owner = owner
  }

  /** If it is not, `due` is called when it may be. */
  isDue(wish: { scanUs: number; waitingSince: number; lastArrivedAt: number }): boolean {
    const { clock, costs } = this.#options
    const lastBeganAt = this.#lastBeganAt
    const lastEndedAt = this.#lastEndedAt
    const waitMs = scanDueAt({ ...wish, lastBeganAt, lastEndedAt }, costs) - clock.now()
    this.#cancelDue?.()
    this.#cancelDue = undefined
    if (waitMs <= 0) return true
    this.#cancelDue = clock.after(waitMs, () => {
      this.#cancelDue = undefined
      this.#owner.due()
    })
    return false
  }

  begin(from: number, targets: readonly RecoveryTarget[]): void {
    const { clock, scanMsMax } = this.#options
    const scan = new RecoveryScan(from, (target, publication) =>
      this.#owner.hand(target, publication),
    )
    for (const target of targets) scan.join(target)
    this.current = scan
    this.count += 1
    this.#lastBeganAt = clock.now()
    void this.#run(
      scan,
      clock.after(scanMsMax, () => scan.giveUp()),
    )
  }

  close(): void {
    this.#cancelDue?.()
    this.current?.stop()
  }

  async #run(scan: RecoveryScan, cancelGiveUp: () => void): Promise<void> {
    const { history, namespace, clock, onLongScan, onError } = this.#options
    const end = await scan.run(history, namespace)
    cancelGiveUp()
    this.current = undefined
    this.#lastEndedAt = clock.now()
    this.publications += scan.publications
    const durationMs = this.#lastEndedAt - this.#lastBeganAt
    if (durationMs > longScanMs) {
      try {
        onLongScan({ namespace, durationMs, publications: scan.publications })
      } catch (error) {
        onError(`who is told of a long scan failed: ${String(error)}`)
      }
    }
    this.#owner.ended(scan, end)
  }
}
