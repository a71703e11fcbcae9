/** What was published and what was acknowledged: the truth that subscribers are held against. */
import { namespaceOf } from '../shared/channel.js'
import { covers } from '../shared/pattern.js'

/** One publication. The log's own: nobody else changes it. */
export interface LoggedPublication {
  readonly channel: string
  /** Counts the publications of its channel, from 1. A number is never sent twice. */
  readonly number: number
  /** The channel's last. */
  readonly isEnd: boolean
  /** Undefined: not acknowledged. It may be stored or not, but only once. */
  offset: number | undefined
  /** The eras of its namespace in which the history holds it, both included. */
  firstEra: number
  lastEra: number
  /** It was acknowledged, and then the history was set back to before it. */
  isWithdrawn: boolean
}

/**
 * A history between two of its misfortunes. Offsets are compared within an era, or where a
 * publication outlived its end: two eras have the same epoch if the history was only set back.
 */
export interface Era {
  readonly epoch: string
}

class NamespaceLog {
  readonly eras: Era[] = []
  readonly byOffset = new Map<number, LoggedPublication[]>()
  offsetMax = 0
  unacknowledged = 0
}

export class PublicationLog {
  readonly #namespaces = new Map<string, NamespaceLog>()
  readonly #channels = new Map<string, LoggedPublication[]>()

  /** It begins, or was made anew: what it held is lost. Nothing may be on its way meanwhile. */
  beginHistory(namespace: string, epoch: string): void {
    const log = this.#namespace(namespace)
    this.#endEra(log, 0)
    log.eras.push({ epoch })
  }

  /** It was set back to an older state, which ends with this offset, and kept its epoch. */
  rewindHistory(namespace: string, offset: number): void {
    const log = this.#namespace(namespace)
    const era = log.eras.at(-1)
    if (era === undefined) throw new RangeError(`${namespace} has no history yet`)
    for (const publication of this.#endEra(log, offset)) publication.isWithdrawn = true
    log.eras.push(era)
  }

  /** The number of the next publication of the channel, about to be sent. */
  send(channel: string, isEnd = false): number {
    const log = this.#namespace(namespaceOf(channel))
    let sent = this.#channels.get(channel)
    if (sent === undefined) this.#channels.set(channel, (sent = []))
    const number = sent.length + 1
    const era = Math.max(0, log.eras.length - 1)
    sent.push({
      channel,
      number,
      isEnd,
      offset: undefined,
      firstEra: era,
      lastEra: Infinity,
      isWithdrawn: false,
    })
    log.unacknowledged += 1
    return number
  }

  acknowledge(channel: string, number: number, offset: number): void {
    const publication = this.find(channel, number)
    if (publication === undefined) throw new RangeError(`${channel} ${number} was not sent`)
    const log = this.#namespace(namespaceOf(channel))
    const era = log.eras.length - 1
    if (era < 0) throw new RangeError(`the history of ${channel} was not begun`)
    if (this.at(channel, offset).some(({ lastEra }) => lastEra >= era)) {
      throw new RangeError(`two publications were acknowledged with offset ${offset}`)
    }
    publication.offset = offset
    publication.firstEra = era
    log.byOffset.set(offset, [...(log.byOffset.get(offset) ?? []), publication])
    log.offsetMax = Math.max(log.offsetMax, offset)
    log.unacknowledged -= 1
  }

  find(channel: string, number: number): LoggedPublication | undefined {
    return this.#channels.get(channel)?.[number - 1]
  }

  /** Those of the channel's namespace that were acknowledged with this offset, one for each era. */
  at(channel: string, offset: number): readonly LoggedPublication[] {
    return this.#namespace(namespaceOf(channel)).byOffset.get(offset) ?? []
  }

  /** All of a channel, or of the channels of a pattern, those of a channel by number. */
  of(name: string): readonly LoggedPublication[] {
    const channels = [...this.#channels.keys()].filter((channel) => covers(name, channel))
    return channels.flatMap((channel) => this.#channels.get(channel) ?? [])
  }

  eras(name: string): readonly Era[] {
    return this.#namespace(namespaceOf(name)).eras
  }

  /** No offset of the name's namespace can be higher, if nobody publishes but who logs here. */
  offsetCeiling(name: string): number {
    const log = this.#namespace(namespaceOf(name))
    return log.offsetMax + log.unacknowledged
  }

  #namespace(name: string): NamespaceLog {
    let log = this.#namespaces.get(name)
    if (log === undefined) this.#namespaces.set(name, (log = new NamespaceLog()))
    return log
  }

  /** Those beyond the offset end with the era. */
  #endEra(log: NamespaceLog, offset: number): readonly LoggedPublication[] {
    const ended = [...log.byOffset.entries()]
      .filter(([each]) => each > offset)
      .flatMap(([, publications]) => publications)
      .filter(({ lastEra }) => lastEra === Infinity)
    for (const publication of ended) publication.lastEra = log.eras.length - 1
    return ended
  }
}
