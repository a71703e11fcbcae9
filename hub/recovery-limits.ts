/** The bounds of a recovery planner: nothing in it grows, waits or goes on without one. */
import { limits } from '../shared/limits.js'

export interface RecoveryLimits {
  /** How long requests are collected before the first of them is looked at. */
  readonly windowMs: number
  /** Requests that are not done; more are refused as `overloaded`. */
  readonly requestsMax: number
  /** Pages of history that wait to be read for others than requests; more are refused. */
  readonly pagesWaitingMax: number
  /** Pages read at the same time: the bytes in flight are at most so many times those of a page. */
  readonly parallelReadsMax: number
  readonly pageCountMax: number
  readonly pageBytesMax: number
  /** Of a page that is read for others than requests: one read gives what a client may ask for. */
  readonly historyPageCountMax: number
  /** Screens asked at the same time. */
  readonly parallelScreensMax: number
  /** A scan that takes longer is stopped; who waits for it is refused as `overloaded`. */
  readonly scanMsMax: number
  /** An answer from a replica that lags: how often and when it is asked again. */
  readonly lagRetryMs: number
  readonly lagTriesMax: number
  /** If its leader says that there is more: how long in all. */
  readonly lagMsMax: number
  /** No answer: how often and when it is asked again. */
  readonly failureRetryMs: number
  readonly failuresMax: number
  /** Requests told that they are done before others get their turn on the event loop. */
  readonly donePerTurnMax: number
  /** The leader is asked for the state at most once in so long, for all who are done by then. */
  readonly stateSpacingMs: number
}

export const recoveryLimits: RecoveryLimits = {
  windowMs: 4,
  requestsMax: 50_000,
  pagesWaitingMax: 1_000,
  parallelReadsMax: 16,
  pageCountMax: 256,
  pageBytesMax: 1_048_576,
  historyPageCountMax: limits.historyLimitMax,
  parallelScreensMax: 4,
  scanMsMax: 60_000,
  lagRetryMs: 30,
  lagTriesMax: 5,
  lagMsMax: 5_000,
  failureRetryMs: 100,
  failuresMax: 3,
  donePerTurnMax: 128,
  stateSpacingMs: 10,
}
