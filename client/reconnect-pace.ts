/** When a client comes back: by jittered backoff, and not before the server's word. */
import { backoffFirstMsMax, backoffMs } from '../shared/backoff.js'
import type { Clock } from './clock.js'
import type { Refusal } from './tidegate-error.js'

/** Time and chance, injected. */
export interface Pace {
  readonly clock: Clock
  /** 0 to 1, as `Math.random`. */
  readonly random: () => number
}

/** A connection that lived this long was a good one: the next failure is a first one again. */
const goodAfterMs = 10_000
/** The wait does not grow beyond this attempt. */
const attemptMax = 16

/**
 * `Retry-After` is a floor, and coarse: without chance all who were told the same second would come
 * together.
 */
export function delayMs({ random }: Pace, attempt: number, retryAfterMs?: number): number {
  if (retryAfterMs !== undefined) return retryAfterMs + random() * backoffFirstMsMax
  return backoffMs(Math.min(attempt, attemptMax), random())
}

export class ReconnectPace {
  readonly #pace: Pace
  #failures = 0
  #welcomedAt: number | undefined

  constructor(pace: Pace) {
    this.#pace = pace
  }

  opens(): void {
    this.#welcomedAt = undefined
  }

  welcomed(): void {
    this.#welcomedAt ??= this.#pace.clock.now()
  }

  /** Whether the connection that is, or was the last, got as far as its welcome. */
  get wasWelcomed(): boolean {
    return this.#welcomedAt !== undefined
  }

  /** How long to wait after this end. Asked once for each. */
  nextDelayMs({ code, retryAfterMs }: Refusal): number {
    const { clock } = this.#pace
    const wasGood = this.#welcomedAt !== undefined && clock.now() - this.#welcomedAt >= goodAfterMs
    const attempt = wasGood ? 0 : this.#failures
    this.#failures = attempt + 1
    // A token that ran out is in nobody's way: a new one may be shown at once, but not in a circle.
    if (code === 'token_expired' && attempt === 0) return 0
    return delayMs(this.#pace, attempt, retryAfterMs)
  }
}
