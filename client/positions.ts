/** The position in each durable channel that a WebSocket has subscribed (PROTOCOL 14.2). */
import { isChannel, namespaceOf } from '../shared/channel.js'
import { cursorChannelsMax, encodeCursor, type Cursor } from '../shared/cursor.js'
import { cursorOf, positionInCursor, type NamedPosition } from '../shared/cursor-positions.js'
import type { GapFrame, VerifiedOffset } from '../shared/frames.js'
import type { Position } from '../shared/position.js'

interface Place {
  /** Undefined: only the newest were asked for, and nothing has come yet. */
  readonly own: Position | undefined
  /** Where live begins, until everything up to there has come. */
  readonly live: Position | undefined
}

export class Positions {
  readonly #places = new Map<string, Place>()

  /** Those of the names that the cursor covers. */
  static of(cursor: Cursor | undefined, names: readonly string[]): Positions {
    const positions = new Positions()
    for (const name of names) {
      const own = cursor && positionInCursor(cursor, name)
      if (own !== undefined) positions.#places.set(name, { own, live: undefined })
    }
    return positions
  }

  of(name: string): Position | undefined {
    return this.#places.get(name)?.own
  }

  /** Undefined: there is no position, or there are more than a cursor has room for. */
  get cursor(): string | undefined {
    const entries: NamedPosition[] = []
    for (const [name, { own }] of this.#places) {
      if (own !== undefined) entries.push({ name, position: own })
    }
    if (entries.length === 0 || entries.length > cursorChannelsMax) return undefined
    return encodeCursor(cursorOf(entries))
  }

  /** `isBehind`: a position was shown or the newest were asked for, so history comes first. */
  begin(name: string, live: Position, isBehind: boolean): void {
    const own = this.of(name)
    if (!isBehind) this.#places.set(name, { own: live, live: undefined })
    else this.#set(name, own, live)
  }

  /** By the name as it was subscribed. A pattern's position is not moved by what matches it. */
  publication(name: string, offset: number, time: number): void {
    const place = this.#places.get(name)
    const known = place?.own ?? place?.live
    if (place === undefined || known === undefined) return
    if (isChannel(name)) {
      const { epoch } = known
      const verified = place.own?.verified
      const own = { epoch, offset, time, ...(verified !== undefined && { verified }) }
      return this.#set(name, own, place.live)
    }
    // History comes before live, so this ends it.
    if (place.live !== undefined && offset > place.live.offset) {
      this.#places.set(name, { own: place.live, live: undefined })
    }
  }

  /** It is told only to who has been given its history: all up to there has come. */
  heartbeat(verified: Readonly<Record<string, VerifiedOffset>>): void {
    for (const [name, { own, live }] of this.#places) {
      const told = verified[namespaceOf(name)]
      const known = own ?? live
      if (told === undefined || known?.epoch !== told.epoch) continue
      const raised = Math.max(known.verified ?? 0, told.offset)
      const offset = isChannel(name) ? known.offset : Math.max(known.offset, told.offset)
      this.#places.set(name, { own: { ...known, offset, verified: raised }, live: undefined })
    }
  }

  gap({ channel, before, epoch, offset }: GapFrame): void {
    const place = this.#places.get(channel)
    if (place === undefined) return
    if (epoch !== undefined && offset !== undefined) {
      this.#set(channel, { epoch, offset }, place.live)
    }
    const known = epoch ?? place.own?.epoch ?? place.live?.epoch
    if (before !== undefined && known !== undefined) {
      this.#set(channel, { epoch: known, offset: before - 1 }, place.live)
    }
  }

  forget(name: string): void {
    this.#places.delete(name)
  }

  /** With what was told of the beginning of live, once everything up to there has come. */
  #set(name: string, own: Position | undefined, live: Position | undefined): void {
    const isThrough = own !== undefined && own.epoch === live?.epoch && own.offset >= live.offset
    if (!isThrough) return void this.#places.set(name, { own, live })
    const verified = Math.max(own.verified ?? 0, live.verified ?? 0)
    this.#places.set(name, { own: { ...own, verified }, live: undefined })
  }
}
