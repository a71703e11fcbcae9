/** Whether what a history gave after a position is everything that the client missed. */
import { isSameTime, type Position } from '../shared/position.js'
import type { HistoryState } from './history.js'

/** What was read; all of it before `state` was asked. */
export interface Recovered {
  /** In the epoch of `state`. */
  readonly position: Position
  /** When the publication at the position's own offset was stored; undefined: it is not there. */
  readonly anchorTime: number | undefined
  /** The most that came back of one channel, from after the position. */
  readonly countOfChannelMax: number
  /** Nothing that came back was left out for want of room. */
  readonly isWhole: boolean
  readonly state: HistoryState
  readonly messagesPerChannel: number
}

/**
 * `expired`: something may have been removed meanwhile. `new_epoch`: the history is another one,
 * although it has the name of the old. `recovery_limit`: there is more than one recovery gives.
 */
export type Completeness = 'complete' | 'expired' | 'new_epoch' | 'recovery_limit'

export function completenessOf(recovered: Recovered): Completeness {
  const { position, anchorTime, countOfChannelMax, isWhole, state } = recovered
  const { offset, time } = position
  if (!isWhole) return 'recovery_limit'
  if (anchorTime !== undefined) {
    // Limits remove the oldest first: while the anchor is there, everything after it is.
    return time === undefined || isSameTime(time, anchorTime) ? 'complete' : 'new_epoch'
  }
  if (countOfChannelMax >= recovered.messagesPerChannel) return 'expired'
  // Neither age nor bytes nor the channel's own limit has removed it: somebody else has.
  if (time !== undefined && state.first <= offset) return 'expired'
  const got = Math.max(offset, position.verified ?? 0)
  return state.first <= got + 1 ? 'complete' : 'expired'
}
