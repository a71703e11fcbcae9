/** A history that answers by the test's clock, and lags, fails and breaks when the test says so. */
import type { Channel } from '../../shared/channel.js'
import { covers } from '../../shared/pattern.js'
import type {
  History,
  HistoryPublishResult,
  HistoryState,
  ReadPage,
  Scan,
  ScanEnd,
  Screened,
  StoredPublication,
} from '../history.js'
import type { FakeClock } from './fake-clock.js'

/** What was asked: `screen` with its channels, `read` and `scan` with where they begin. */
export type Asked =
  | { readonly type: 'screen'; readonly channels: readonly string[] }
  | { readonly type: 'read'; readonly name: string; readonly from: number }
  | { readonly type: 'scan'; readonly from: number }
  | { readonly type: 'state' }

export class ScriptedHistory implements History {
  epoch = '0123456789ab'
  last = 0
  readonly asked: Asked[] = []
  readsActiveMax = 0
  screensActiveMax = 0
  /** How long an answer takes. */
  answerMs: () => number = () => 1
  /** By how much the replica that answers next is behind. */
  lag: () => number = () => 0
  /** Whether the next answer never comes. */
  isLost: (type: Asked['type']) => boolean = () => false
  /** Whether a scan breaks before it hands over the publication with this offset. */
  breaksAt: (offset: number) => boolean = () => false
  scannedPerMs = 1_000
  messagesPerChannel: number = Infinity
  kept: StoredPublication[] = []
  scansOpen = 0
  readonly #clock: FakeClock
  #readsActive = 0
  #screensActive = 0

  constructor(clock: FakeClock) {
    this.#clock = clock
  }

  onEvent(): void {}

  async start(): Promise<void> {}

  async close(): Promise<void> {}

  async publish(): Promise<HistoryPublishResult> {
    throw new Error('a test stores by itself')
  }

  /** Stores one, and removes what is more than a channel may keep. */
  store(channel: string): number {
    this.last += 1
    const publication: StoredPublication = {
      channel: channel as Channel,
      offset: this.last,
      time: this.#clock.now(),
      sender: undefined,
      contentType: undefined,
      isEnd: false,
      payload: new Uint8Array(10),
    }
    this.kept.push(publication)
    const mine = this.kept.filter((other) => other.channel === channel)
    const surplus = new Set(mine.slice(0, Math.max(0, mine.length - this.messagesPerChannel)))
    if (surplus.size > 0) this.kept = this.kept.filter((other) => !surplus.has(other))
    return this.last
  }

  rewind(last: number): void {
    this.last = last
    this.kept = this.kept.filter(({ offset }) => offset <= last)
  }

  count(type: Asked['type']): number {
    return this.asked.filter((asked) => asked.type === type).length
  }

  state(): Promise<HistoryState | undefined> {
    return this.#answer({ type: 'state' }, () => ({
      epoch: this.epoch,
      first: this.kept[0]?.offset ?? this.last + 1,
      last: this.last,
    }))
  }

  async screen(_namespace: string, channels: readonly Channel[]): Promise<Screened | undefined> {
    this.#screensActive += 1
    this.screensActiveMax = Math.max(this.screensActiveMax, this.#screensActive)
    const screened = await this.#answer({ type: 'screen', channels }, (asOf) => {
      const wanted = new Set(channels)
      const newest = new Map<Channel, StoredPublication>()
      for (const publication of this.kept) {
        if (publication.offset > asOf || !wanted.has(publication.channel)) continue
        newest.set(publication.channel, publication)
      }
      return { asOf, newest }
    })
    this.#screensActive -= 1
    return screened
  }

  async read(
    _namespace: string,
    name: string,
    from: number,
    countMax: number,
    bytesMax: number,
  ): Promise<ReadPage | undefined> {
    this.#readsActive += 1
    this.readsActiveMax = Math.max(this.readsActiveMax, this.#readsActive)
    const page = await this.#answer({ type: 'read', name, from }, (asOf) => {
      const all = this.kept.filter(
        ({ channel, offset }) => offset >= from && offset <= asOf && covers(name, channel),
      )
      const count = Math.max(1, Math.min(countMax, Math.floor(bytesMax / 10)))
      return { publications: all.slice(0, count), isWhole: all.length <= count, asOf }
    })
    this.#readsActive -= 1
    return page
  }

  scan(_namespace: string, from: number, take: (publication: StoredPublication) => void): Scan {
    this.asked.push({ type: 'scan', from })
    this.scansOpen += 1
    const scan = new ScriptedScan(from)
    const isLost = this.isLost('scan')
    const lag = this.lag()
    const step = (): void => {
      if (isLost) scan.end(undefined)
      for (let count = 0; count < this.scannedPerMs && !scan.isOver; count += 1) {
        const asOf = Math.max(0, this.last - lag)
        const next = this.kept.find(({ offset }) => offset > scan.position && offset <= asOf)
        if (next === undefined) scan.end({ asOf })
        else if (this.breaksAt(next.offset)) scan.end(undefined)
        else scan.hand(next, take)
      }
      if (!scan.isOver) this.#clock.after(1, step)
      else this.scansOpen -= 1
    }
    this.#clock.after(1, step)
    return scan
  }

  #answer<T>(asked: Asked, answer: (asOf: number) => T): Promise<T | undefined> {
    this.asked.push(asked)
    const isLost = this.isLost(asked.type)
    const lag = this.lag()
    return new Promise((resolve) => {
      this.#clock.after(this.answerMs(), () =>
        resolve(isLost ? undefined : answer(Math.max(0, this.last - lag))),
      )
    })
  }
}

class ScriptedScan implements Scan {
  position: number
  isOver = false
  readonly ended: Promise<ScanEnd | undefined>
  #resolve: (end: ScanEnd | undefined) => void = () => {}

  constructor(from: number) {
    this.position = from - 1
    this.ended = new Promise((resolve) => (this.#resolve = resolve))
  }

  hand(publication: StoredPublication, take: (publication: StoredPublication) => void): void {
    this.position = publication.offset
    take(publication)
  }

  end(end: ScanEnd | undefined): void {
    this.isOver = true
    this.#resolve(end)
  }

  stop(): void {
    this.end(undefined)
  }
}

/** Turns the clock, and lets everybody who waits for an answer go on after each step. */
export async function turn(clock: FakeClock, ms: number): Promise<void> {
  const end = clock.now() + ms
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve))
    const next = clock.nextInMs
    if (next === undefined || clock.now() + next > end) break
    clock.advance(next)
  }
  clock.advance(end - clock.now())
  await new Promise((resolve) => setImmediate(resolve))
}
