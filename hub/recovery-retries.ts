/** Requests without an answer, or with one of a replica that lags: asked again, so often. */
import type { Clock } from './clock.js'
import { DelayQueue } from './delay-queue.js'
import type { RecoveryLimits } from './recovery-limits.js'
import type { Recovery } from './recovery.js'

export class RecoveryRetries {
  count = 0
  readonly #clock: Clock
  readonly #limits: RecoveryLimits
  readonly #lagging: DelayQueue<Recovery>
  readonly #failed: DelayQueue<Recovery>

  constructor(clock: Clock, limits: RecoveryLimits, again: (recovery: Recovery) => void) {
    this.#clock = clock
    this.#limits = limits
    const all = (recoveries: readonly Recovery[]): void => recoveries.forEach(again)
    this.#lagging = new DelayQueue(clock, limits.lagRetryMs, all)
    this.#failed = new DelayQueue(clock, limits.failureRetryMs, all)
  }

  /** False: there was no answer often enough. */
  afterFailure(recovery: Recovery): boolean {
    recovery.failures += 1
    if (recovery.failures > this.#limits.failuresMax) return false
    this.#add(recovery, this.#failed)
    return true
  }

  /** False: so often that the leader has to be asked whether there is more. */
  afterLag(recovery: Recovery): boolean {
    recovery.lagTries += 1
    if (recovery.lagTries === 1) recovery.lagSince = this.#clock.now()
    if (recovery.lagTries > this.#limits.lagTriesMax) return false
    this.#add(recovery, this.#lagging)
    return true
  }

  /** The leader says that there is more. False: it has been waited for long enough. */
  afterLeader(recovery: Recovery): boolean {
    if (this.#clock.now() - recovery.lagSince >= this.#limits.lagMsMax) return false
    this.#add(recovery, this.#lagging)
    return true
  }

  close(): void {
    this.#lagging.close()
    this.#failed.close()
  }

  #add(recovery: Recovery, queue: DelayQueue<Recovery>): void {
    this.count += 1
    queue.add(recovery)
  }
}
