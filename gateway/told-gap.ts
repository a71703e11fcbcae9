/** A gap as a client hears of it, and several that are told as one (PROTOCOL 5.6, 5.9). */
import type { Gap } from '../hub/gap.js'
import type { Subscription } from '../hub/subscription.js'
import { gapFrame } from './gap-frame.js'

export interface ToldGap extends Gap {
  /** The name as it was subscribed. */
  readonly channel: string
}

/** As the frame has it, without its type. */
export function toldGap({ interest }: Subscription, gap: Gap): ToldGap {
  const { type: _, ...told } = gapFrame(interest.name, gap)
  return told
}

/** The gaps of a reader that is behind: one for each subscription, whatever is lost meanwhile. */
export class UntoldGaps {
  readonly #gaps = new Map<Subscription, Gap>()

  add(subscription: Subscription, gap: Gap): void {
    const known = this.#gaps.get(subscription)
    this.#gaps.set(subscription, known === undefined ? gap : joined(known, gap))
  }

  get all(): readonly (readonly [Subscription, Gap])[] {
    return [...this.#gaps]
  }
}

/** Between the two nothing was delivered. */
function joined(earlier: Gap, later: Gap): Gap {
  // Publications that were dropped come first.
  if (earlier.reason === 'slow_consumer') return earlier
  if (earlier.reason !== 'new_epoch' || later.reason === 'new_epoch') {
    return earlier.after === undefined ? later : { ...later, after: earlier.after }
  }
  return later.before === undefined ? earlier : { ...earlier, offset: later.before - 1 }
}
