/** What is asked of the recovery planner: a stretch of a history, and who takes it. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { HistoryState, StoredPublication } from './history.js'

export interface RecoveryRequest {
  readonly name: Channel | Pattern
  /** Everything with this offset or a later one is wanted; `Infinity`: only what is the newest. */
  readonly from: number
  /**
   * The history is known to have been at least this long: an answer as of an earlier offset comes
   * from a replica that lags, or the history was rewound, which only its leader can tell.
   */
  readonly floor: number
  /** In the order of offsets. False: no more is wanted; `done` follows with `isWhole` false. */
  take(publication: StoredPublication): boolean
  /** Once, last. */
  done(outcome: RecoveryOutcome): void
}

export type RecoveryOutcome =
  | {
      readonly ok: true
      /** Everything up to here was looked at. */
      readonly asOf: number
      /** Whether everything from `from` to `asOf` was handed over: `take` never said no. */
      readonly isWhole: boolean
      /** The channel's newest publication, if a screen found one. */
      readonly newest: StoredPublication | undefined
      readonly isScreened: boolean
      /** By the leader's word, asked after the last publication had been read. */
      readonly state: HistoryState
    }
  /** `rewound`: by its leader's word the history ends before `floor`. */
  | { readonly ok: false; readonly code: 'rewound'; readonly state: HistoryState }
  | { readonly ok: false; readonly code: 'broker_unavailable' | 'overloaded' }
