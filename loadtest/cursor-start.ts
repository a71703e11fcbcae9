/** Where the subscriptions of a request begin that is resumed by cursor (PROTOCOL 13.6). */
import { decodeCursor } from '../shared/cursor.js'
import { positionInCursor } from '../shared/cursor-positions.js'
import type { HeardSubscribed } from './subscriber-record.js'

/** `shown` is the cursor of the request, `given` the first one that the answer has. */
export function startsOf(
  names: readonly string[],
  shown: string | undefined,
  given: string | undefined,
): readonly HeardSubscribed[] {
  return names.flatMap((name) => {
    const before = shown === undefined ? undefined : positionIn(shown, name)
    const start = given === undefined ? before : positionIn(given, name)
    if (start === undefined) return []
    const { epoch, offset } = start
    return [
      {
        type: 'subscribed',
        name,
        epoch,
        offset,
        ...(before === undefined ? {} : { shown: before }),
      },
    ]
  })
}

function positionIn(text: string, name: string): ReturnType<typeof positionInCursor> {
  const cursor = decodeCursor(text)
  if (cursor === undefined) throw new Error(`an unreadable cursor: ${text}`)
  return positionInCursor(cursor, name)
}
