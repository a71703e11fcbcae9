/** The requests for one channel or pattern that are read as one. */
import type { Channel } from '../shared/channel.js'
import { isChannel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { StoredPublication } from './history.js'
import type { Wanted } from './recovery-plan.js'
import type { Recovery } from './recovery.js'

export class RecoveryTarget implements Wanted {
  readonly name: Channel | Pattern
  readonly isPattern: boolean
  /** Since when the first of them has waited, in ms. */
  waitingSince: number
  /** The lowest offset that any of them wants. */
  next: number = Infinity
  /** Who still wants it. */
  wanted = 0
  /** Those who left are still in here, with another target or none. */
  readonly #recoveries: Recovery[] = []

  constructor(name: Channel | Pattern, waitingSince: number) {
    this.name = name
    this.isPattern = !isChannel(name)
    this.waitingSince = waitingSince
  }

  add(recovery: Recovery): void {
    recovery.target = this
    this.next = Math.min(this.next, recovery.next)
    this.wanted += 1
    this.#recoveries.push(recovery)
  }

  delete(recovery: Recovery): void {
    if (recovery.target !== this) return
    recovery.target = undefined
    this.wanted -= 1
  }

  /** Takes over those of another target of the same name. */
  absorb(other: RecoveryTarget): void {
    this.waitingSince = Math.min(this.waitingSince, other.waitingSince)
    for (const recovery of other.recoveries()) {
      other.delete(recovery)
      this.add(recovery)
    }
  }

  /** Whether any of them wants what only a screen tells. */
  get wantsNewest(): boolean {
    return this.recoveries().some(({ request }) => request.from === Infinity)
  }

  /** After some of them were served: from where the others want it. */
  recount(): void {
    this.next = this.recoveries().reduce((lowest, { next }) => Math.min(lowest, next), Infinity)
  }

  recoveries(): Recovery[] {
    return this.#recoveries.filter((recovery) => recovery.target === this)
  }

  /** Hands it to all who want it; `end` is told who wants no more. */
  hand(
    publication: StoredPublication,
    end: (recovery: Recovery) => void,
    onError: (reason: string) => void,
  ): void {
    this.next = Math.max(this.next, publication.offset + 1)
    // A taker may bring others in here; what is handed over now is not what they want.
    for (const recovery of this.#recoveries) {
      if (recovery.target !== this) continue
      if (!recovery.hand(publication, onError) && recovery.target === this) end(recovery)
    }
  }
}
