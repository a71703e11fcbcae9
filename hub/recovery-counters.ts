/** What a recovery planner has done so far: for metrics, and to see what its choices were worth. */

export interface RecoveryCounters {
  readonly requests: number
  /** Channels that were asked for in screens. */
  readonly screened: number
  /** Pages read of one channel or pattern. */
  readonly singleReads: number
  readonly scans: number
  /** Requests that found a scan on its way to what they want. */
  readonly joined: number
  readonly scannedPublications: number
  /** Requests asked again, as there was no answer, or one of a replica that lags. */
  readonly retries: number
  /** Collected, grouped and screened together. */
  readonly rounds: number
  readonly unavailable: number
  readonly overloaded: number
}
