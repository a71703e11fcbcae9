/** The history of one durable namespace: what is kept, what is lost, and what is said of that. */
import { isChannel } from '../../shared/channel.js'
import type { GapFrame, PublicationFrame } from '../../shared/frames.js'
import { covers } from '../../shared/pattern.js'
import type { Position } from '../../shared/position.js'
import type { Clock } from '../clock.js'
import {
  isPosition,
  type ModelPlace,
  type Reading,
  type Said,
  type Source,
} from './model-reading.js'

export interface Stored {
  readonly channel: string
  readonly offset: number
  readonly previous?: number
  readonly time: number
  readonly data: number
}

/** Small, so that much is lost. */
const keptMax = 4
const keptMs = 60_000

export class ModelHistory implements Source {
  readonly #clock: Clock
  #epochs = 0
  #last = 0
  #time = 0
  #items: Stored[] = []
  /** Everything up to here has grown too old, whatever channel it was of. */
  #outlived = 0
  readonly #newest = new Map<string, number>()
  /** By channel, the offset of the publication that ended it. */
  readonly #ends = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get epoch(): string {
    return this.#epochs.toString(16).padStart(12, '0')
  }

  get last(): number {
    return this.#last
  }

  /** @param hole offsets that others of the namespace have taken */
  publish(channel: string, data: number, hole: number, isEnd: boolean): Stored {
    this.#last += hole + 1
    this.#time = Math.max(this.#time + 1, this.#clock.now())
    const previous = this.#newest.get(channel)
    const place = { offset: this.#last, time: this.#time }
    const stored = { channel, ...place, ...(previous !== undefined && { previous }), data }
    this.#items.push(stored)
    this.#newest.set(channel, this.#last)
    this.#ends.delete(channel)
    if (isEnd) this.#ends.set(channel, this.#last)
    this.#expire()
    return stored
  }

  /** It was deleted and made anew. */
  renew(): void {
    this.#epochs += 1
    this.#last = 0
    this.#items = []
    this.#outlived = 0
    this.#newest.clear()
    this.#ends.clear()
  }

  live(name: string): Position {
    this.#expire()
    const newest = isChannel(name) ? this.#of(name).at(-1) : undefined
    const { offset = this.#last, time } = newest ?? {}
    return { epoch: this.epoch, offset, ...(time !== undefined && { time }), verified: this.#last }
  }

  /** Before the newest so many. */
  before(name: string, count: number): Position {
    this.#expire()
    const [first] = this.#of(name).slice(-count)
    return first === undefined ? this.live(name) : { epoch: this.epoch, offset: first.offset - 1 }
  }

  /** Whether its last publication was got, so that nothing comes any more. */
  hasEnded(name: string, place: ModelPlace | undefined): boolean {
    const end = this.#ends.get(name)
    if (end === undefined || !isPosition(place)) return false
    return place.epoch === this.epoch && place.offset >= end
  }

  read(name: string, from: ModelPlace, max: number): Reading {
    this.#expire()
    if (!isPosition(from)) return this.read(name, this.live(name), max)
    if (from.epoch === this.epoch) return this.#readOn(name, from, max)
    const at = { epoch: this.epoch, offset: 0 }
    const frame: GapFrame = { type: 'gap', channel: name, reason: 'new_epoch', ...at }
    const rest = this.#readOn(name, at, max)
    const said = [{ frame: { ...frame, after: from.offset }, at }, ...rest.said]
    return { ...rest, said, isRecovered: false }
  }

  #readOn(name: string, from: Position, max: number): Reading {
    const following = this.#of(name).filter(({ offset }) => offset > from.offset)
    const given = following.slice(0, max)
    const isAll = this.#isKnown(name, from, following)
    const isCut = given.length < following.length
    const isByName = isChannel(name)
    const said: Said[] = []
    const gap = (reason: GapFrame['reason'], after: number, before: number): void => {
      const at = { epoch: this.epoch, offset: before - 1 }
      said.push({ frame: { type: 'gap', channel: name, after, before, reason }, at })
    }
    const { epoch, verified } = from
    if (!isAll && isByName) {
      gap('expired', from.offset, given[0]?.offset ?? Math.max(this.#last, from.offset) + 1)
    }
    const isGapBehind = !isByName && (isCut || !isAll)
    for (const { offset, time, ...item } of given) {
      const place = { epoch, offset, ...(isByName && { time }), ...(verified && { verified }) }
      const pattern = isByName ? {} : { pattern: name }
      const frame: PublicationFrame = { type: 'publication', ...item, ...pattern, offset, time }
      // Where a gap follows, nobody may go on behind it before it was told.
      said.push({ frame, at: isGapBehind ? from : place })
    }
    if (isCut && isAll) gap('recovery_limit', given.at(-1)?.offset ?? from.offset, this.#last + 1)
    else if (isGapBehind || isCut) gap('expired', from.offset, this.#last + 1)
    const last = said.at(-1)?.at ?? from
    const moved = isByName || !isPosition(last) ? last : { epoch, offset: this.#last }
    const at = { ...(moved as Position), verified: this.#last }
    const newest = said.pop()
    if (newest !== undefined) said.push({ ...newest, at })
    this.#tellEnd(name, from, at, said)
    return { said, isRecovered: isAll && !isCut, at }
  }

  /** Who is cut off before it gets the last publication again. */
  #tellEnd(name: string, from: Position, at: Position, said: Said[]): void {
    if (!this.hasEnded(name, at) || this.hasEnded(name, from)) return
    const last = said.at(-1)
    if (last?.frame.type === 'publication') {
      said[said.length - 1] = { ...last, at: said.at(-2)?.at ?? from }
    }
    said.push({ frame: { type: 'ended', channel: name }, at })
  }

  /** PROTOCOL 14.4. */
  #isKnown(name: string, from: Position, following: readonly Stored[]): boolean {
    const { offset, time, verified = 0 } = from
    const isThere = this.#items.some((item) => item.offset === offset && item.time === time)
    if (isThere && isChannel(name)) return true
    const counts = new Map<string, number>()
    for (const { channel } of following) counts.set(channel, (counts.get(channel) ?? 0) + 1)
    return this.#outlived <= Math.max(offset, verified) && Math.max(0, ...counts.values()) < keptMax
  }

  #of(name: string): Stored[] {
    return this.#items.filter(({ channel }) => covers(name, channel))
  }

  #expire(): void {
    const counts = new Map<string, number>()
    const oldest = this.#clock.now() - keptMs
    const old = this.#items.findLast(({ time }) => time <= oldest)
    this.#outlived = Math.max(this.#outlived, old?.offset ?? 0)
    this.#items = this.#items
      .reverse()
      .filter(({ channel, time }) => {
        const count = (counts.get(channel) ?? 0) + 1
        counts.set(channel, count)
        return count <= keptMax && time > oldest
      })
      .reverse()
  }
}
