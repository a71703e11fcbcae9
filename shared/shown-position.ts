/** What a client shows to go on in one channel: a position, or a cursor (PROTOCOL 4.18, 7.10). */
import { decodeCursor, type Cursor } from './cursor.js'
import { positionInCursor } from './cursor-positions.js'
import { isMembers, member } from './members.js'
import { isEpoch, isOffset, type Position } from './position.js'

export type ShownPosition = Position | Cursor

/** What was shown, a string decoded; a string that is returned says what is wrong with it. */
export function readShownPosition(value: unknown): ShownPosition | string {
  if (typeof value === 'string') {
    return decodeCursor(value) ?? 'position is a string, but no cursor that can be read'
  }
  return readPosition(value)
}

/** The position in a durable channel; undefined where a cursor does not cover it. */
export function positionShown(
  shown: ShownPosition,
  name: string,
  epoch?: string,
): Position | undefined {
  return isCursor(shown) ? positionInCursor(shown, name, epoch) : shown
}

export function isCursor(shown: ShownPosition): shown is Cursor {
  return !('epoch' in shown)
}

function readPosition(value: unknown): Position | string {
  if (!isMembers(value)) return 'position must be an object or a cursor'
  const epoch = member(value, 'epoch')
  if (!isEpoch(epoch)) return 'epoch of a position must be 12 lowercase hex digits'
  const offset = member(value, 'offset')
  if (!isOffset(offset)) return notCount('offset')
  const time = member(value, 'time')
  if (time !== undefined && !isOffset(time)) return notCount('time')
  const verified = member(value, 'verified')
  if (verified !== undefined && !isOffset(verified)) return notCount('verified')
  return {
    epoch,
    offset,
    ...(time === undefined ? {} : { time }),
    ...(verified === undefined ? {} : { verified }),
  }
}

function notCount(name: string): string {
  return `${name} of a position must be an integer from 0 to 2^53 - 1`
}
