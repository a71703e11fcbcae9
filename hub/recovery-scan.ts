/** One pass over a namespace's history that serves everybody who wants what it passes. */
import type { Channel } from '../shared/channel.js'
import { covers } from '../shared/pattern.js'
import type { History, Scan, ScanEnd, StoredPublication } from './history.js'
import type { RecoveryTarget } from './recovery-target.js'

export class RecoveryScan {
  readonly from: number
  /** It was stopped because it took too long. */
  isTooLong = false
  /** What has been passed: who wants only later ones may join. */
  position: number
  publications = 0
  readonly #hand: (target: RecoveryTarget, publication: StoredPublication) => void
  readonly #channels = new Map<string, RecoveryTarget>()
  #patterns: readonly RecoveryTarget[] = []
  #scan: Scan | undefined
  #isStopped = false

  constructor(
    from: number,
    hand: (target: RecoveryTarget, publication: StoredPublication) => void,
  ) {
    this.from = from
    this.position = from - 1
    this.#hand = hand
  }

  /** Undefined: it broke, or was stopped. */
  async run(history: History, namespace: string): Promise<ScanEnd | undefined> {
    if (this.#isStopped) return undefined
    this.#scan = history.scan(namespace, this.from, (publication) => this.#take(publication))
    // Whoever wanted it may have left while it handed over the first.
    if (this.#isStopped) this.#scan.stop()
    return this.#scan.ended
  }

  stop(): void {
    this.#isStopped = true
    this.#scan?.stop()
  }

  giveUp(): void {
    this.isTooLong = true
    this.stop()
  }

  /** Whether all that is wanted from this offset on is still ahead. */
  isAhead(next: number): boolean {
    return !this.#isStopped && next > this.position && next !== Infinity
  }

  join(target: RecoveryTarget): void {
    if (target.isPattern) {
      this.#patterns = [...this.#patterns, target]
      return
    }
    const there = this.#channels.get(target.name)
    if (there === undefined) this.#channels.set(target.name, target)
    else there.absorb(target)
  }

  /** The last one to leave stops it. */
  leave(target: RecoveryTarget): void {
    if (this.#channels.get(target.name) === target) this.#channels.delete(target.name)
    else if (this.#patterns.includes(target)) {
      this.#patterns = this.#patterns.filter((other) => other !== target)
    } else return
    if (this.#channels.size === 0 && this.#patterns.length === 0) this.stop()
  }

  targets(): RecoveryTarget[] {
    return [...this.#channels.values(), ...this.#patterns]
  }

  #take(publication: StoredPublication): void {
    // Before anybody is called: who joins from in there must not count on this one.
    this.position = publication.offset
    this.publications += 1
    const channel: Channel = publication.channel
    const target = this.#channels.get(channel)
    if (target !== undefined) this.#hand(target, publication)
    for (const pattern of this.#patterns) {
      if (covers(pattern.name, channel)) this.#hand(pattern, publication)
    }
  }
}
