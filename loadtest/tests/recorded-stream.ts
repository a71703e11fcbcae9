/** Makes up a publication log, and subscribers that heard everything as they should have. */
import { PublicationLog } from '../publication-log.js'
import type { HeardEvent, HeardPublication, SubscriberRecord } from '../subscriber-record.js'

export const channels: readonly string[] = ['orders.1', 'orders.2', 'orders.3']
export const pattern = 'orders.*'

export type Random = () => number

/** Mulberry32: small, and the same from the same seed everywhere. */
export function seeded(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T
}

interface Stored {
  readonly channel: string
  readonly number: number
  readonly offset: number
  readonly previous: number
}

/** One subscription of a subscriber that behaves, to a server that behaves. */
class Listener {
  readonly name: string
  readonly events: HeardEvent[]
  epoch = ''
  /** What it shows when it comes back. */
  position = 0
  /** The highest offset that it was given: beyond its position, for a pattern. */
  highest = 0
  isConnected = false
  /** Its position is in a part of the history that was set back: the time of the anchor tells. */
  isWithdrawn = false
  /** Of the stored ones, the first that it has not been given. */
  next = 0

  constructor(name: string, events: HeardEvent[]) {
    this.name = name
    this.events = events
  }

  wants(channel: string): boolean {
    return this.name === pattern || this.name === channel
  }

  hear({ channel, number, offset, previous }: Stored): void {
    const { name } = this
    this.events.push({ type: 'publication', name, channel, offset, previous, number })
    this.highest = offset
    if (name !== pattern) this.position = offset
  }
}

/** What may happen, and how likely it is in one step. Everything else is a publication. */
export interface Chances {
  readonly unacknowledged: number
  readonly leaving: number
  readonly gap: number
  readonly wipe: number
  readonly rewind: number
}

export const quiet: Chances = { unacknowledged: 0.1, leaving: 0, gap: 0, wipe: 0, rewind: 0 }
export const wild: Chances = {
  unacknowledged: 0.1,
  leaving: 0.05,
  gap: 0.05,
  wipe: 0.01,
  rewind: 0.01,
}

export class RecordedStream {
  readonly log: PublicationLog = new PublicationLog()
  readonly records: readonly SubscriberRecord[]
  /** Publications that gaps name, over all records. */
  named = 0
  readonly #random: Random
  readonly #listeners: readonly Listener[]
  #stored: Stored[] = []
  #head = 0
  #epochs = 0
  #epoch = ''

  constructor(random: Random, chances: Chances, steps: number) {
    this.#random = random
    const own: HeardEvent[] = []
    const matching: HeardEvent[] = []
    this.records = [
      { subscriber: 'own', events: own },
      { subscriber: 'matching', events: matching },
    ]
    this.#listeners = [
      ...channels.map((name) => new Listener(name, own)),
      new Listener(pattern, matching),
    ]
    this.#begin()
    for (let step = 0; step < 5; step += 1) this.#publish(chances)
    for (const listener of this.#listeners) this.#subscribe(listener)
    for (let step = 0; step < steps; step += 1) this.#step(chances)
    // Whoever is away comes back, and every chain has a last that was acknowledged.
    for (const listener of this.#listeners) this.#comeBack(listener)
    for (const channel of channels) this.#publish({ ...chances, unacknowledged: 0 }, channel)
  }

  #step(chances: Chances): void {
    const listener = pick(this.#random, this.#listeners)
    let chance = this.#random()
    const isNow = (likelihood: number): boolean => (chance -= likelihood) < 0
    if (isNow(chances.leaving)) {
      if (listener.isConnected) this.#leave(listener)
      else this.#comeBack(listener)
    } else if (isNow(chances.gap)) this.#skip(listener)
    else if (isNow(chances.wipe)) this.#wipe()
    else if (isNow(chances.rewind)) this.#rewind()
    else this.#publish(chances)
  }

  #begin(): void {
    this.#epochs += 1
    this.#epoch = this.#epochs.toString(16).padStart(12, '0')
    this.log.beginHistory('orders', this.#epoch)
  }

  #publish({ unacknowledged }: Chances, channel = pick(this.#random, channels)): void {
    const number = this.log.send(channel)
    const isAcknowledged = this.#random() >= unacknowledged
    if (!isAcknowledged && this.#random() < 0.5) return
    this.#head += 1
    const offset = this.#head
    const previous = this.#stored.findLast((each) => each.channel === channel)?.offset ?? 0
    this.#stored.push({ channel, number, offset, previous })
    if (isAcknowledged) this.log.acknowledge(channel, number, offset)
    for (const listener of this.#listeners) if (listener.isConnected) this.#deliver(listener)
  }

  #deliver(listener: Listener): void {
    for (const publication of this.#stored.slice(listener.next)) {
      if (listener.wants(publication.channel)) listener.hear(publication)
    }
    listener.next = this.#stored.length
  }

  #subscribe(listener: Listener): void {
    const { name, events } = listener
    listener.isConnected = true
    listener.next = this.#stored.length
    listener.position = this.#head
    listener.epoch = this.#epoch
    events.push({ type: 'subscribed', name, epoch: this.#epoch, offset: this.#head })
  }

  #leave(listener: Listener): void {
    listener.isConnected = false
    listener.events.push({ type: 'disconnected' })
  }

  #comeBack(listener: Listener): void {
    if (listener.isConnected) return
    listener.isConnected = true
    const { name, events, epoch, position } = listener
    events.push({ type: 'reconnected' })
    const shown = { epoch, offset: position }
    const now = { epoch: this.#epoch, offset: this.#head }
    if (epoch !== this.#epoch || listener.isWithdrawn) {
      events.push({ type: 'subscribed', name, ...now, shown, recovered: false })
      return this.#tellNewEpoch(listener)
    }
    events.push({ type: 'subscribed', name, ...now, shown, recovered: true })
    // A pattern shows what was verified, and hears again what it has beyond that.
    if (name === pattern) {
      listener.next = this.#stored.filter(({ offset }) => offset <= position).length
    }
    this.#deliver(listener)
  }

  /** The limits removed the next few before the listener could have them. */
  #skip(listener: Listener): void {
    if (listener.isConnected) return
    const { name, events, epoch, position } = listener
    if (epoch !== this.#epoch || listener.isWithdrawn || name === pattern) return
    const missed = this.#stored.slice(listener.next)
    const expired = missed.slice(0, Math.ceil(this.#random() * missed.length))
    const before = (expired.at(-1)?.offset ?? this.#head) + 1
    listener.isConnected = true
    events.push({ type: 'reconnected' })
    const shown = { epoch, offset: position }
    const now = { epoch, offset: this.#head }
    events.push({ type: 'subscribed', name, ...now, shown, recovered: false })
    events.push({ type: 'gap', name, reason: 'expired', after: position, before })
    const acknowledged = expired.filter(({ channel, number }) => {
      return listener.wants(channel) && this.log.find(channel, number)?.offset !== undefined
    })
    this.named += acknowledged.length
    listener.next += expired.length
    listener.position = Math.max(position, before - 1)
    this.#deliver(listener)
  }

  #wipe(): void {
    this.#begin()
    this.#stored = []
    this.#head = 0
    for (const listener of this.#listeners) {
      if (listener.isConnected) this.#tellNewEpoch(listener)
    }
  }

  #rewind(): void {
    this.#head = Math.floor(this.#random() * this.#head)
    this.log.rewindHistory('orders', this.#head)
    this.#stored = this.#stored.filter(({ offset }) => offset <= this.#head)
    for (const listener of this.#listeners) {
      listener.next = Math.min(listener.next, this.#stored.length)
      if (listener.isConnected) this.#tellNewEpoch(listener)
      else {
        listener.isWithdrawn ||= Math.max(listener.highest, listener.position) > this.#head
      }
    }
  }

  #tellNewEpoch(listener: Listener): void {
    const { name, events, position } = listener
    const there = { epoch: this.#epoch, offset: this.#head }
    events.push({ type: 'gap', name, reason: 'new_epoch', after: position, ...there })
    listener.epoch = this.#epoch
    listener.position = this.#head
    listener.next = this.#stored.length
    listener.isWithdrawn = false
    listener.highest = 0
  }
}

/** The places of a record's publications, of one channel if it is given. */
export function placesOf(
  events: readonly HeardEvent[],
  fits: (heard: HeardPublication) => boolean = () => true,
): readonly number[] {
  return [...events.keys()].filter((at) => {
    const event = events[at]
    return event?.type === 'publication' && fits(event)
  })
}
