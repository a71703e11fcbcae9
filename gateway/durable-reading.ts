/** Where an event stream or a poll is in its durable channels, and which of them have ended. */
import type { NamedPosition } from '../shared/cursor-positions.js'
import type { Hub } from '../hub/hub.js'
import type { Publication } from '../hub/publication.js'
import type { Subscription } from '../hub/subscription.js'

/** Of a reader that is still given a history, or fell behind: no other need be where it is. */
export const onItsOwn = -1

export class DurableReading {
  readonly subscriptions: readonly Subscription[]
  readonly #hub: Hub
  #ended: Set<Subscription> | undefined = undefined

  private constructor(hub: Hub, subscriptions: readonly Subscription[]) {
    this.#hub = hub
    this.subscriptions = subscriptions
  }

  /** Undefined where all are ephemeral: such a reader must cost no more than it did. */
  static of(hub: Hub, subscriptions: readonly Subscription[]): DurableReading | undefined {
    if (!subscriptions.some(isDurable)) return undefined
    return new DurableReading(hub, subscriptions.filter(isDurable))
  }

  /** The same for all that are live in the same channels; rises with every publication of them. */
  get place(): number {
    let place = 0
    for (const subscription of this.subscriptions) {
      const own = this.#hub.placeOf(subscription)
      if (own === undefined) return onItsOwn
      place += own
    }
    return place
  }

  /** With another one, the same place means another position. */
  get version(): number {
    return this.#hub.durable.verifiedVersion
  }

  /** What has been given so far, not where live begins. */
  get positions(): readonly NamedPosition[] {
    const positions: NamedPosition[] = []
    for (const subscription of this.subscriptions) {
      const position = this.#hub.positionOf(subscription)
      const { name } = subscription.interest
      if (position !== undefined) positions.push({ name, position })
    }
    return positions
  }

  /** What was said of their beginning has been passed on: history, then live. */
  release(): void {
    for (const subscription of this.subscriptions) this.#hub.release(subscription)
  }

  drained(): void {
    this.#hub.drained(this.subscriptions)
  }

  end(subscription: Subscription): void {
    this.#ended ??= new Set()
    this.#ended.add(subscription)
  }

  /** Something comes after the end all the same, which takes it back. */
  goesOn(subscription: Subscription): void {
    this.#ended?.delete(subscription)
  }

  /** In the order of the request. */
  get ended(): readonly string[] {
    const ended = this.#ended
    if (ended === undefined || ended.size === 0) return none
    return this.subscriptions.filter((each) => ended.has(each)).map(({ interest }) => interest.name)
  }

  /** Whether that is all: `count` names, ephemeral ones too, which never end. */
  haveEnded(count: number): boolean {
    return this.#ended?.size === count
  }
}

function isDurable({ interest }: Subscription): boolean {
  return interest.namespace !== undefined
}

/** A channel's last: until `ended` has followed, no cursor may say that it was got. */
export function isLast({ isEnd, offset, pattern }: Publication): boolean {
  return isEnd && offset > 0 && pattern === undefined
}

const none: readonly string[] = []
