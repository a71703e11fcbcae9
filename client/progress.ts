/** What an application has got before its first connection: what its cursor says. */
import { decodeCursor } from '../shared/cursor.js'
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
