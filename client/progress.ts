/** What an application has got before its first connection: what its cursor says. */
import { decodeCursor } from '../shared/cursor.js'
import { positionInCursor } from '../shared/cursor-positions.js'
import { isChannel } from '../shared/channel.js'
import { Chain } from './chain.js'
import { Positions } from './positions.js'
import type { Progress } from './transport.js'

/** A cursor that cannot be read says nothing here: whoever is shown it refuses it. */
export function progressFrom(cursor: string | undefined, names: readonly string[]): Progress {
  const decoded = cursor === undefined ? undefined : decodeCursor(cursor)
  const positions = Positions.of(decoded, names)
  const chain = new Chain()
  for (const name of names.filter((each) => isChannel(each))) {
    const position = positions.of(name)
    if (position !== undefined) chain.begin(name, position.offset)
  }
  return { chain, positions }
}

/** Where a connection that kept a cursor of its own has got to; a WebSocket's is made of these. */
export function moveTo({ positions }: Progress, cursor: string, names: readonly string[]): void {
  if (cursor === positions.cursor) return
  const decoded = decodeCursor(cursor)
  if (decoded === undefined) return
  for (const name of names) {
    const position = positionInCursor(decoded, name)
    if (position !== undefined) positions.resume(name, position)
  }
}
