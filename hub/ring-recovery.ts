/** What the ring of a durable channel can give, so that the history need not be asked. */
import { isSameTime, type Position } from '../shared/position.js'
import type { Interest } from './interest.js'
import type { Publication } from './publication.js'

/** Everything after a position of its epoch; undefined: the ring does not prove that it is. */
export function sinceOfRing(
  { durable, ring }: Interest,
  position: Position,
): readonly Publication[] | undefined {
  if (durable === undefined) return undefined
  const { chain, held } = durable
  // Something is missing here that the history may have.
  if (!chain.hasBegun || held !== undefined) return undefined
  const { offset, time } = position
  const hasNewest = chain.offset > 0 && offset === chain.offset
  if (hasNewest && (time === undefined || isSameTime(time, chain.time))) return []
  const got = Math.max(offset, position.verified ?? 0)
  if (ring === undefined || ring.since > got || offset > chain.seen) return undefined
  // What the client shows must be the same here. If that is not known any more, only the history
  // tells: after a rewind others may have left the ring, up to what the client had verified before.
  const anchorTime = ring.timeAt(offset)
  if (time === undefined) {
    if (anchorTime === undefined && offset > ring.since) return undefined
  } else if (anchorTime === undefined || !isSameTime(time, anchorTime)) return undefined
  return ring.after(offset).publications
}

/** The newest so many, if the ring has as many. */
export function newestOfRing(
  { durable, ring }: Interest,
  count: number,
): readonly Publication[] | undefined {
  const isComplete = durable?.chain.hasBegun === true && durable.held === undefined
  return isComplete ? ring?.last(count) : undefined
}
