/** What a subscriber is told is missing of what was read of a history for it. */
import type { Completeness } from './completeness.js'
import type { Gap } from './gap.js'
import type { Publication } from './publication.js'
import type { Read } from './read-outcome.js'

/** Told before what was read, and after it. */
export interface RecoveryGaps {
  readonly before?: Gap
  readonly after?: Gap
}

type Complete = Exclude<Completeness, 'new_epoch'>

/** `found` came after the offset. */
export function gapsOfChannel(
  completeness: Complete,
  { asOf, isWhole }: Read,
  offset: number,
  found: readonly Publication[],
): RecoveryGaps {
  const first = found[0]?.offset ?? asOf + 1
  const last = found.at(-1)?.offset ?? offset
  const isExpired = completeness === 'expired' && first > offset + 1
  return {
    ...(isExpired && { before: { reason: 'expired', after: offset, before: first } }),
    ...(!isWhole && { after: { reason: 'recovery_limit', after: last, before: asOf + 1 } }),
  }
}

/** Of one channel more may have been removed than of another: it can be anywhere in between. */
export function gapsOfPattern(
  completeness: Complete,
  { asOf, isWhole }: Read,
  offset: number,
): RecoveryGaps {
  if (isWhole && completeness === 'complete') return {}
  const reason = isWhole ? 'expired' : 'recovery_limit'
  return { after: { reason, after: offset, before: asOf + 1 } }
}
