/** What a client has got of each channel: where it goes on, and whether anything is missing. */
import { namespaceOf } from '../shared/channel.js'
import type { GapFrame, PublicationFrame, VerifiedOffset } from '../shared/frames.js'
import type { Position } from '../shared/position.js'

/** Where a channel goes on: a position, or a cursor (as it came) that covers the channel. */
export type Place = Position | string

export type Link =
  /** New, and nothing is known to be missing before it. */
  | 'next'
  | 'duplicate'
  /** Something before it has not come, and no gap said so (PROTOCOL 5.10). */
  | 'broken'

/** What is looked at of a publication. */
type Placed = Pick<PublicationFrame, 'channel' | 'pattern' | 'offset' | 'previous' | 'time'>

interface Entry {
  /** Undefined: there is nothing to go on from. */
  place?: Place | undefined
  /** Where live begins on a WebSocket, until everything up to there has come. */
  live?: Position | undefined
  /** Of a channel: the newest offset that was got, or is not wanted. */
  got?: number | undefined
  /** A gap was told: what comes next need not follow what came last. */
  isAnew?: boolean
  /** It was subscribed, at most once: without a connection something is missed. */
  isEphemeral?: boolean
}

/** Channels that came through a pattern, of which the newest offset is remembered. */
const patternChannelsMax = 1_000

export class Progress {
  readonly #entries = new Map<string, Entry>()
  /**
   * By pattern and channel, the one heard of longest ago first: a recovery by pattern may bring
   * some again (PROTOCOL 14.7).
   */
  readonly #gotByPattern = new Map<string, number>()

  place(name: string): Place | undefined {
    return this.#entries.get(name)?.place
  }

  /** The place that is shown. Without one it begins anew: what was got tells nothing of that. */
  placeToShow(name: string): Place | undefined {
    const { place, live, isEphemeral = false } = this.#entries.get(name) ?? {}
    // Of what has begun and has not come yet nothing was got; another connection may be heard.
    if (place !== undefined || live !== undefined) return place
    this.forget(name)
    if (isEphemeral) this.#entries.set(name, { isEphemeral })
    return undefined
  }

  /** Everything up to here has come by another way. */
  resume(name: string, place: Place): void {
    const entry = this.#entry(name)
    entry.place = place
    entry.live = undefined
    if (typeof place === 'object' && !isPattern(name)) entry.got ??= place.offset
  }

  /** If it is subscribed again, it begins anew. */
  forget(name: string): void {
    this.#entries.delete(name)
    this.#forgetPattern(name)
  }

  /** Everything that has a place: the gateway could not read one. Returns their names. */
  forgetPlaces(): readonly string[] {
    const names = [...this.#entries.keys()].filter((name) => this.place(name) !== undefined)
    for (const name of names) this.forget(name)
    return names
  }

  /** Whether the history of this channel is known to be there. */
  isDurable(name: string): boolean {
    const { place, live, got = live } = this.#entries.get(name) ?? {}
    return typeof place === 'object' || got !== undefined
  }

  /** It was subscribed, and nothing covers what has come since. */
  isCutOff(name: string): boolean {
    const { place, isEphemeral = false } = this.#entries.get(name) ?? {}
    return isEphemeral && place === undefined
  }

  /**
   * A WebSocket's subscription of a durable channel has begun. Returns after which offset something
   * may be missing: it had begun before, and nothing has come to go on from.
   * @param live where live begins
   * @param isBehind history comes first
   */
  begin(name: string, live: Position, isBehind: boolean): number | undefined {
    const entry = this.#entry(name)
    const { place, live: cutOff, isEphemeral } = entry
    entry.isEphemeral = false
    // Another connection may have begun it meanwhile, and be further.
    if (isBehind || place !== undefined) {
      entry.live = live
      arrive(entry)
    } else {
      entry.place = live
      entry.live = undefined
      if (!isPattern(name)) entry.got = live.offset
    }
    const isMoved = cutOff && (cutOff.offset < live.offset || cutOff.epoch !== live.epoch)
    if (place !== undefined) return undefined
    // It was taken for ephemeral while its history could not be read (PROTOCOL 4.22).
    return isMoved ? cutOff.offset : isEphemeral ? 0 : undefined
  }

  /** The same of an ephemeral one. Returns whether something was missed since it was subscribed. */
  beginEphemeral(name: string): boolean {
    const { isEphemeral = false, place } = this.#entries.get(name) ?? {}
    // A cursor does not cover what a WebSocket gets.
    this.#entries.set(name, { isEphemeral: true })
    return isEphemeral || place !== undefined
  }

  /** If it is next, it is got. */
  take(publication: Placed): Link {
    const { channel, pattern, offset } = publication
    if (offset === undefined) return 'next'
    const entry = this.#entry(pattern ?? channel)
    const link =
      pattern === undefined
        ? takeNext(entry, publication)
        : this.#takeByPattern(entry, `${pattern} ${channel}`, offset)
    if (link === 'next') arrive(entry)
    return link
  }

  gap({ channel, before, epoch, offset }: Omit<GapFrame, 'type' | 'reason'>): void {
    const entry = this.#entry(channel)
    // Told before, or by another connection meanwhile.
    if (epoch === undefined && before !== undefined && before <= (entry.got ?? 0)) return
    entry.isAnew = true
    if (epoch !== undefined && offset !== undefined) {
      entry.place = { epoch, offset }
      this.#forgetPattern(channel)
    } else if (before !== undefined) {
      const known = knownOf(entry)
      if (known !== undefined) entry.place = { epoch: known.epoch, offset: before - 1 }
      entry.got = before - 1
    }
    if (epoch !== undefined) entry.got = isPattern(channel) ? undefined : offset
    arrive(entry)
  }

  /** It is told only to who has been given its history: of those, all up to there has come. */
  heartbeat(
    verified: Readonly<Record<string, VerifiedOffset>>,
    isHeard: (name: string) => boolean,
  ): void {
    for (const [name, entry] of this.#entries) {
      const told = verified[namespaceOf(name)]
      const known = knownOf(entry)
      if (told === undefined || known?.epoch !== told.epoch || !isHeard(name)) continue
      // Of what was asked for before live, it may not be all (14.2).
      if (known === entry.live && told.offset < known.offset) continue
      const raised = Math.max(known.verified ?? 0, told.offset)
      const offset = isPattern(name) ? Math.max(known.offset, told.offset) : known.offset
      entry.place = { ...known, offset, verified: raised }
      entry.live = undefined
    }
  }

  /** Where a connection by event stream or poll has got to in all its channels. */
  moveTo(cursor: string, names: readonly string[]): void {
    for (const name of names) this.resume(name, cursor)
  }

  #entry(name: string): Entry {
    let entry = this.#entries.get(name)
    if (entry === undefined) this.#entries.set(name, (entry = {}))
    return entry
  }

  /** Who is before whom among the channels of a pattern is not told. */
  #takeByPattern(entry: Entry, key: string, offset: number): Link {
    const got = this.#gotByPattern
    if (offset <= (got.get(key) ?? 0)) return 'duplicate'
    got.delete(key)
    got.set(key, offset)
    const [oldest] = got.keys()
    if (oldest !== undefined && got.size > patternChannelsMax) got.delete(oldest)
    const { live } = entry
    if (live === undefined) return 'next'
    // History comes before live, so this ends it.
    if (offset > live.offset) entry.place = live
    // Of the newest that were asked for: who is cut off goes on with the rest of them.
    else entry.place ??= { epoch: live.epoch, offset }
    return 'next'
  }

  /** Offsets of another history do not compare. */
  #forgetPattern(pattern: string): void {
    for (const key of this.#gotByPattern.keys()) {
      // No name has a blank in it.
      if (key.startsWith(`${pattern} `)) this.#gotByPattern.delete(key)
    }
  }
}

/** Of two kinds of names: no channel has a wildcard in it. */
export function isPattern(name: string): boolean {
  return /[*>]/.test(name)
}

function takeNext(entry: Entry, { offset = 0, previous = 0, time }: Placed): Link {
  const { got = -1, isAnew = got < 0 } = entry
  if (offset <= got) return 'duplicate'
  if (previous > got && !isAnew) return 'broken'
  entry.got = offset
  entry.isAnew = false
  const known = knownOf(entry)
  // What was told of the beginning of live counts when everything up to there has come.
  const { verified } = known === entry.live ? {} : (known ?? {})
  if (known !== undefined) {
    entry.place = { epoch: known.epoch, offset, time, ...(verified !== undefined && { verified }) }
  }
  return 'next'
}

function knownOf({ place, live }: Entry): Position | undefined {
  return typeof place === 'object' ? place : live
}

/** Everything up to where live began may have come: then what was told of it counts. */
function arrive(entry: Entry): void {
  const { place, live } = entry
  if (live === undefined || typeof place !== 'object') return
  if (place.epoch !== live.epoch || place.offset < live.offset) return
  const verified = Math.max(place.verified ?? 0, live.verified ?? 0)
  entry.place = { ...place, verified }
  entry.live = undefined
}
