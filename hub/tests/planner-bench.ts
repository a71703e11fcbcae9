/** A recovery planner over a scripted history, with a clock to turn. */
import { recoveryLimits, type RecoveryLimits } from '../recovery-limits.js'
import { recoveryCosts, type RecoveryCosts } from '../recovery-plan.js'
import { RecoveryPlanner } from '../recovery-planner.js'
import type { LongScan } from '../recovery-scans.js'
import { FakeClock } from './fake-clock.js'
import { Asker } from './recovery-asker.js'
import { ScriptedHistory } from './scripted-history.js'

export class Bench {
  readonly clock: FakeClock = new FakeClock(0)
  readonly history: ScriptedHistory = new ScriptedHistory(this.clock)
  readonly longScans: LongScan[] = []
  readonly errors: string[] = []
  readonly planner: RecoveryPlanner

  constructor(limits: Partial<RecoveryLimits> = {}, costs: Partial<RecoveryCosts> = {}) {
    this.planner = new RecoveryPlanner({
      history: this.history,
      namespace: 'c',
      storage: 'file',
      clock: this.clock,
      limits: { ...recoveryLimits, ...limits },
      // Tests need not wait as long for newcomers as storms want.
      costs: { ...recoveryCosts.file, scanWaitMsMax: 400, scanQuietMs: 20, ...costs },
      onLongScan: (scan) => this.longScans.push(scan),
      onError: (reason) => this.errors.push(reason),
    })
  }

  /** Each channel once a round, so that all of a round lies between two of one channel. */
  store(channels: number, rounds: number): void {
    for (let round = 0; round < rounds; round += 1) {
      for (let at = 0; at < channels; at += 1) this.history.store(`c.${at}`)
    }
  }

  ask(name: string, from: number, floor?: number): Asker {
    const asker = new Asker(name, from, floor)
    this.planner.request(asker)
    return asker
  }
}
