/** What a round of a catch-up has read, and up to where that counts as looked at. */
import type { Publication } from './publication.js'
import type { RecoveryOutcome } from './recovery-request.js'

export type Read = Extract<RecoveryOutcome, { ok: true }>

/** Of a stretch that was not read to its end nothing more comes: it is looked at up to the head. */
export function upToHead(outcome: Read): Read {
  return outcome.isWhole ? outcome : { ...outcome, asOf: outcome.state.last }
}

/** Who comes back is given so much and no more; who is slow is given the rest in other rounds. */
export function partOf(outcome: Read, given: readonly Publication[]): Read {
  return { ...outcome, isWhole: true, asOf: given.at(-1)?.offset ?? outcome.asOf }
}
