/** What a round of a catch-up has read, and up to where that counts as looked at. */
import type { Position } from '../shared/position.js'
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

/** Where the oldest of the newest so many is what comes next. */
export function positionBefore(first: Publication | undefined, epoch = ''): Position {
  return { epoch, offset: first === undefined ? 0 : first.offset - 1 }
}

/** Where live begins: for this node, or for a client that got further on another one. */
export function liveFrom(
  here: Position | undefined,
  own: Position,
  end: Publication | undefined,
): Position {
  const position = here === undefined || here.offset < own.offset ? own : here
  // Without a time it says that nothing comes before it (PROTOCOL 14.2), but for a pattern.
  if (end === undefined || end.pattern !== undefined || position.time !== undefined) return position
  return { ...position, offset: end.offset, time: end.time }
}
