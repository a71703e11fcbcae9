/** A stretch of a channel that a subscriber cannot be given. */
import type { GapReason } from '../shared/codes.js'
import type { Position } from '../shared/position.js'

export interface Gap {
  readonly reason: GapReason
  /** The subscriber has everything up to this offset. Absent on ephemeral channels. */
  readonly after?: number
  /** It goes on with this offset or a later one: what lay between is lost to it. */
  readonly before?: number
  /** With `new_epoch`: the history that it goes on in, and the offset after which it does. */
  readonly epoch?: string
  readonly offset?: number
}

/** Where a subscription is after it was told of a gap. */
export function positionAfter(gap: Gap, position: Position): Position {
  const epoch = gap.epoch ?? position.epoch
  const offset = gap.offset ?? (gap.before === undefined ? position.offset : gap.before - 1)
  return { epoch, offset }
}
