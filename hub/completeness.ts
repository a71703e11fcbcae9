/** Whether what a history gave after a position is everything that the client missed. */
import { isSameTime, type Position } from '../shared/position.js'
import type { HistoryState } from './history.js'

/** What was read; all of it before `state` was asked. */
export interface Recovered {
  /** In the epoch of `state`. */
  readonly position: Position
  /** When the publication at the position's own offset was stored; undefined: it is not there. */
  readonly anchorTime: number | undefined
  /** The most that there is of one channel after the position; Infinity: that is not known. */
  readonly countOfChannelMax: number
  readonly state: HistoryState
  readonly messagesPerChannel: number
}

/**
 * `expired`: something before what was read may have been removed. `new_epoch`: the history is
 * another one, although it has the name of the old.
 */
export type Completeness = 'complete' | 'expired' | 'new_epoch'

export function completenessOf(recovered: Recovered): Completeness {
  const { position, anchorTime, countOfChannelMax, state } = recovered
  const { offset, time } = position
  const isAnchored = anchorTime !== undefined
  if (isAnchored && time !== undefined && !isSameTime(time, anchorTime)) return 'new_epoch'
  // The oldest goes first. But a long reading may have met the anchor before limits removed it, and
  // what followed it, too: fewer than the limit, and the anchor's age, prove that none did.
  const isFull = countOfChannelMax >= recovered.messagesPerChannel
  if (isAnchored && !isFull && state.first <= offset) return 'complete'
  if (isFull) return 'expired'
  // Neither age nor bytes nor the channel's own limit has removed the anchor: a rewind has, after
  // which another channel's publication may stand there, or somebody by hand. Nobody can tell.
  if (!isAnchored && time !== undefined && state.first <= offset) return 'new_epoch'
  const got = Math.max(offset, position.verified ?? 0)
  return state.first <= got + 1 ? 'complete' : 'expired'
}
