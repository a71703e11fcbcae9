/** An absence of the page: what was published meanwhile, and what became of it. */

/** What is looked at of a publication. */
export interface Arrival {
  readonly channel: string
  /** Absent: the channel keeps no history. */
  readonly offset?: number
  /** When it was stored, in ms since 1970 by the clock of the node. */
  readonly time: number
}

export interface Stretch {
  readonly channel: string
  /** Publications that were missed and have come. */
  readonly count: number
  /** The offset that was got last before; undefined: none. */
  readonly from: number | undefined
  /** The offset that was recovered last. */
  readonly to: number | undefined
}

export interface Recovery {
  /** Counts from 1. */
  readonly absence: number
  readonly count: number
  /** From the request to the last of them. */
  readonly tookMs: number
  readonly isDurable: boolean
  readonly stretches: readonly Stretch[]
  /** What is lost, a sentence each. */
  readonly gaps: readonly string[]
}

interface Missed {
  count: number
  to: number | undefined
}

const gapsMax = 20

export class AbsenceMeter {
  /** How often the page has been away. */
  absence = 0
  /** By channel, the newest offset that was got. */
  readonly offsets: Map<string, number> = new Map()
  #state: 'here' | 'away' | 'recovering' = 'here'
  #from: ReadonlyMap<string, number> = new Map()
  #missed = new Map<string, Missed>()
  #gaps: string[] = []
  #askedAt = 0
  #backAt = 0
  #lastAt = 0
  #isDurable = true
  #hasNews = false
  /** What is taken came in one answer with the welcome. */
  #isWelcome = false
  /**
   * How much later than it was stored something arrives: clocks differ, too. Of short polls it is
   * up to a second, so it does not tell what was stored just before they came back.
   */
  #leastDelayMs = Infinity

  get isAway(): boolean {
    return this.#state === 'away'
  }

  leave(): void {
    if (this.isAway) return
    this.#state = 'away'
    this.absence += 1
    this.#from = new Map(this.offsets)
    this.#missed = new Map()
    this.#gaps = []
    this.#askedAt = 0
    this.#hasNews = false
    this.#isWelcome = false
  }

  /** A request went out. That of the last attempt counts. */
  ask(now: number): void {
    if (this.isAway) this.#askedAt = now
  }

  comeBack(now: number): void {
    if (!this.isAway) return
    this.#state = 'recovering'
    this.#backAt = now
    this.#askedAt ||= now
    this.#lastAt = now
    this.#isWelcome = true
  }

  /** What came in one answer with the welcome has been taken. It was missed, all of it. */
  welcomed(): void {
    this.#isWelcome = false
  }

  /** The absence in which it was missed; 0: it comes live. */
  take({ channel, offset, time }: Arrival, now: number): number {
    this.#isDurable = offset !== undefined
    if (offset !== undefined) this.offsets.set(channel, offset)
    if (this.#isWelcome || this.#wasStoredBefore(time)) {
      const missed = this.#missed.get(channel) ?? { count: 0, to: undefined }
      this.#missed.set(channel, { count: missed.count + 1, to: offset })
      this.#lastAt = now
      this.#hasNews = true
      return this.absence
    }
    this.#leastDelayMs = Math.min(this.#leastDelayMs, now - time)
    if (this.#state === 'recovering') this.#hasNews = true
    if (!this.isAway) this.#state = 'here'
    return 0
  }

  gap(sentence: string): void {
    if (this.#gaps.length < gapsMax) this.#gaps.push(sentence)
    this.#hasNews = true
  }

  /** Once something live has come, and again when there is more to tell. */
  news(): Recovery | undefined {
    if (!this.#hasNews || this.#state !== 'here') return undefined
    this.#hasNews = false
    const channels = [...this.offsets.keys()].sort()
    const stretches = channels.map((channel) => {
      const { count, to } = this.#missed.get(channel) ?? { count: 0, to: undefined }
      return { channel, count, from: this.#from.get(channel), to }
    })
    return {
      absence: this.absence,
      count: stretches.reduce((sum, { count }) => sum + count, 0),
      tookMs: this.#lastAt - this.#askedAt,
      isDurable: this.#isDurable,
      stretches,
      gaps: this.#gaps,
    }
  }

  #wasStoredBefore(time: number): boolean {
    const least = Number.isFinite(this.#leastDelayMs) ? this.#leastDelayMs : 0
    return this.absence > 0 && !this.isAway && time + least <= this.#backAt
  }
}
