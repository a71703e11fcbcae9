/** What the hub needs of a connection. The gateway implements it; the hub never imports it. */
import type { GapReason } from '../shared/codes.js'
import type { Publication } from './publication.js'
import type { Subscription } from './subscription.js'

export interface Subscriber {
  /**
   * Takes a publication that other subscribers share. Never mutates it, never throws, and never
   * subscribes, unsubscribes or closes in here: the hub is walking the array of subscribers.
   */
  deliver(publication: Publication, subscription: Subscription): void
  /** Publications may have been lost on the way to this node. The same rules as for `deliver`. */
  gap(reason: GapReason, subscription: Subscription): void
}
