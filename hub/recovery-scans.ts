/** The scans of one namespace, one after another: counted, bounded in time, told of if long. */
import type { Clock } from './clock.js'
import type { History, ScanEnd, StoredPublication } from './history.js'
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
  readonly scanMsMax: number
  readonly onLongScan: (scan: LongScan) => void
  readonly onError: (reason: string) => void
}

/** What the scans need of the planner. */
export interface ScanOwner {
  hand(target: RecoveryTarget, publication: StoredPublication): void
  ended(scan: RecoveryScan, end: ScanEnd | undefined): void
}

const longScanMs = 1_000

export class RecoveryScans {
  count = 0
  publications = 0
  current: RecoveryScan | undefined = undefined
  readonly #options: ScanOptions
  readonly #owner: ScanOwner

  constructor(options: ScanOptions, owner: ScanOwner) {
    this.#options = options
    this.#owner = owner
  }

  begin(from: number, targets: readonly RecoveryTarget[]): void {
    const { clock, scanMsMax } = this.#options
    const scan = new RecoveryScan(from, (target, publication) =>
      this.#owner.hand(target, publication),
    )
    for (const target of targets) scan.join(target)
    this.current = scan
    this.count += 1
    void this.#run(
      scan,
      clock.after(scanMsMax, () => scan.giveUp()),
    )
  }

  close(): void {
    this.current?.stop()
  }

  async #run(scan: RecoveryScan, cancelGiveUp: () => void): Promise<void> {
    const { history, namespace, clock, onLongScan, onError } = this.#options
    const beganAt = clock.now()
    const end = await scan.run(history, namespace)
    cancelGiveUp()
    this.current = undefined
    this.publications += scan.publications
    const durationMs = clock.now() - beganAt
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
