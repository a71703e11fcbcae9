/** Judges what a holder has heard by what was published: all of it, or a gap that says so. */
import { covers } from '../../shared/pattern.js'
import { isChannel } from '../../shared/channel.js'
import type { GapEvent, Publication } from '../transport.js'
import { durableNamespace } from './model-reading.js'
import type { Published, Truth } from './model-truth.js'

export type Heard = { readonly moment: number } & (
  | { readonly type: 'publication'; readonly publication: Publication }
  | { readonly type: 'gap'; readonly gap: GapEvent }
  | { readonly type: 'subscribed' | 'ended' }
  /**
   * Another client goes on in its place. `isExact`: it knows all that this one had; else some may
   * come again. `isKept`: a position was saved; else it begins anew.
   */
  | { readonly type: 'renewed'; readonly isExact: boolean; readonly isKept: boolean }
)

export interface Witness {
  readonly name: string
  /** Losses that are not told: the application asked for that. */
  readonly isLossy: boolean
  /** What it reads may have come before a gap of which it has been told already. */
  readonly isLoop: boolean
  /**
   * It begins with the newest, which have no place before they come: who is cut off until then asks
   * for the newest anew, so that with a durable channel it begins with the first that it hears.
   */
  readonly beginsWithNewest: boolean
  readonly heard: readonly Heard[]
  /** It was held at the end, had not ended, and had time to hear everything. */
  readonly isHeld: boolean
}

/** What is wrong with it; empty if nothing is. */
export function judge(witness: Witness, truth: Truth): readonly string[] {
  const hearing = new Hearing(witness, truth)
  for (const heard of witness.heard) if (hearing.faults.length < 3) hearing.take(heard)
  if (witness.isHeld) hearing.end()
  return hearing.faults
}

interface Told {
  readonly moment: number
  readonly gap: GapEvent
  /** Of the newest history of which anything was heard before. */
  readonly epoch: number
}

class Hearing {
  readonly faults: string[] = []
  readonly #witness: Witness
  readonly #isDurable: boolean
  readonly #isByName: boolean
  /** What was published in what it holds, oldest first. */
  readonly #published: readonly Published[]
  readonly #got = new Set<number>()
  readonly #newest = new Map<string, number>()
  readonly #gaps: Told[] = []
  /** Everything published later is owed; undefined: it has not begun. */
  #owedFrom: number | undefined
  /** When it last lost its place. */
  #lostAt = -1
  /** Of the newest history of which it had anything. */
  #epoch = -1

  constructor(witness: Witness, truth: Truth) {
    this.#witness = witness
    this.#isDurable = durableNamespace(witness.name)
    this.#isByName = isChannel(witness.name)
    this.#published = truth.published.filter(({ channel }) => covers(witness.name, channel))
  }

  take(heard: Heard): void {
    switch (heard.type) {
      case 'publication':
        return this.#takePublication(heard.publication)
      case 'gap':
        return this.#takeGap(heard.moment, heard.gap)
      case 'subscribed':
        this.#owedFrom ??= heard.moment
        return
      case 'ended':
        this.#owedFrom = undefined
        return
      case 'renewed':
        if (!heard.isExact) this.#newest.clear()
        // What was saved may be of an earlier history than what was heard.
        if (!heard.isExact) this.#epoch = -1
        if (!heard.isKept) this.#owedFrom = undefined
        return
    }
  }

  end(): void {
    const newest = this.#published.at(-1)
    if (newest !== undefined && !this.#got.has(newest.data)) this.#say(newest, 'is the last, and')
    for (const each of this.#published) this.#owe(each)
  }

  #takePublication({ channel, offset, data }: Publication): void {
    const found = this.#published.find((each) => each.data === data)
    if (found === undefined || found.channel !== channel || found.offset !== offset) {
      return void this.faults.push(`${String(data)} was not published so`)
    }
    const { isLoop, beginsWithNewest } = this.#witness
    const isOfBefore = isLoop && found.moment < this.#lostAt
    if (isOfBefore && beginsWithNewest) return void this.#got.add(found.data)
    if (found.data <= (this.#newest.get(channel) ?? 0)) this.#say(found, 'came again, or too late')
    // What a pattern has lost may be told behind the history.
    for (const each of this.#published) {
      if (each.data >= found.data || (!this.#isByName && this.#isDurable)) break
      this.#owe(each)
    }
    this.#newest.set(channel, found.data)
    this.#got.add(found.data)
    this.#epoch = Math.max(this.#epoch, found.epoch)
    // From the first that it had on there is no excuse.
    if (isOfBefore) return
    this.#owedFrom = Math.min(this.#owedFrom ?? Infinity, found.moment)
  }

  #takeGap(moment: number, gap: GapEvent): void {
    this.#gaps.push({ moment, gap, epoch: this.#epoch })
    // What is kept of a new history follows, whether it came before or not (PROTOCOL 14.6).
    if (gap.epoch !== undefined) this.#newest.clear()
    if (gap.epoch !== undefined) this.#epoch = Math.max(this.#epoch, Number.parseInt(gap.epoch, 16))
    const isUnbounded = gap.after === undefined && gap.before === undefined
    // It begins anew, when it is subscribed.
    if (isUnbounded && (this.#isDurable || gap.reason === 'cursor_expired')) {
      this.#owedFrom = undefined
      this.#lostAt = moment
      // The newest that were asked for may be those that it had.
      if (this.#isDurable) this.#newest.clear()
    }
  }

  #owe(published: Published): void {
    if (this.#witness.isLossy || this.#got.has(published.data)) return
    if (this.#owedFrom === undefined || published.moment <= this.#owedFrom) return
    if (this.#gaps.some((each) => this.#isWithin(published, each))) return
    this.#say(published, 'is missing')
    this.#got.add(published.data)
  }

  #isWithin({ epoch, offset = 0, moment }: Published, told: Told): boolean {
    if (told.moment < moment) return false
    const { after = -1, before = Infinity, epoch: anew, offset: from = 0 } = told.gap
    if (anew === undefined) return after < offset && offset < before
    const next = Number.parseInt(anew, 16)
    if (epoch === next) return offset <= from
    return epoch < next && (offset > after || epoch > told.epoch)
  }

  #say({ data, channel, offset, epoch }: Published, what: string): void {
    const place = offset === undefined ? '' : ` at ${offset} of history ${epoch}`
    this.faults.push(`${this.#witness.name}: ${data} in ${channel}${place} ${what}`)
  }
}
