/** A stretch of a channel that a subscriber cannot be given. */
import type { GapReason } from '../shared/codes.js'

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
