/** Positions to a cursor and back: a client may change its transport (PROTOCOL 13.6). */
import { channelHash, type Cursor, type EphemeralPosition } from './cursor.js'
import type { DurablePosition, DurablePositions } from './cursor-durable.js'
import { timeTagModulus, type Position } from './position.js'

export interface NamedPosition {
  /** A channel or pattern. */
  readonly name: string
  readonly position: Position
}

/** The cursor over these positions, one for each name. */
export function cursorOf(entries: readonly NamedPosition[], ephemeral?: EphemeralPosition): Cursor {
  const epochs = new Map<string, NamedPosition[]>()
  for (const entry of entries) {
    const { epoch } = entry.position
    const others = epochs.get(epoch)
    if (others === undefined) epochs.set(epoch, [entry])
    else others.push(entry)
  }
  const durable = [...epochs.keys()]
    .sort()
    .map((epoch) => positionsOf(epoch, epochs.get(epoch) as NamedPosition[]))
  return {
    ...(ephemeral === undefined ? {} : { ephemeral }),
    ...(durable.length === 0 ? {} : { durable }),
  }
}

/**
 * The position of a name. Two histories may both have its hash: that of `epoch`, if it is among
 * them, goes before the other, which could only be answered with a new epoch.
 */
export function positionInCursor(
  { durable = [] }: Cursor,
  name: string,
  epoch?: string,
): Position | undefined {
  const hash = channelHash(name)
  const holding = durable.filter(({ channels }) => channels.some((each) => each.hash === hash))
  const positions = holding.find((each) => each.epoch === epoch) ?? holding[0]
  return positions === undefined ? undefined : positionOf(positions, hash)
}

function positionsOf(epoch: string, entries: readonly NamedPosition[]): DurablePositions {
  // One offset stands for all of them, so it must not claim more than the least of them has.
  let verified = Infinity
  const channels: DurablePosition[] = []
  for (const { name, position } of entries) {
    verified = Math.min(verified, Math.max(position.offset, position.verified ?? 0))
    const timeTag = (position.time ?? 0) % timeTagModulus
    channels.push({ hash: channelHash(name), offset: position.offset, timeTag })
  }
  return { epoch, verified, channels }
}

function positionOf(positions: DurablePositions, hash: number): Position | undefined {
  const [found, ...others] = positions.channels.filter((channel) => channel.hash === hash)
  if (found === undefined) return undefined
  const { epoch } = positions
  // Names with the same hash: only the least offset is got in each of them, and the time of one is
  // not that of another. What one has beyond it comes again; nothing is lost.
  const offset = others.reduce((least, channel) => Math.min(least, channel.offset), found.offset)
  const verified = Math.max(offset, positions.verified)
  if (others.length > 0 || found.timeTag === 0) return { epoch, offset, verified }
  return { epoch, offset, time: found.timeTag, verified }
}
