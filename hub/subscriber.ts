/** What the hub needs of a connection. The gateway implements it; the hub never imports it. */
import type { Gap } from './gap.js'
import type { Publication } from './publication.js'
import type { Subscription } from './subscription.js'

/** None of these throws, subscribes, unsubscribes or closes: the hub is walking its subscribers. */
export interface Subscriber {
  /**
   * Whether it takes more of a history now. When it says no, it calls `hub.drained` as soon as it
   * would say yes. Live publications come all the same.
   */
  readonly canTake: boolean
  /**
   * Takes a publication that other subscribers share, and never mutates it. False: it has no room;
   * on a durable channel the hub then stops, and goes on from here after `hub.drained`. On an
   * ephemeral one the publication is lost, and the subscriber tells of the gap.
   */
  deliver(publication: Publication, subscription: Subscription): boolean
  /** Publications cannot be delivered, or may have been lost on the way to this node. */
  gap(gap: Gap, subscription: Subscription): void
  /** The channel's last publication has been delivered, or there was none after the position. */
  ended(subscription: Subscription): void
}
