/** One subscriber's place in one interest. The array position makes leaving O(1). */
import type { Interest } from './interest.js'
import type { Subscriber } from './subscriber.js'

export interface Subscription {
  readonly subscriber: Subscriber
  readonly interest: Interest
  /** Place in `interest.subscriptions`; -1 once it has left. The hub's own. */
  index: number
  /** Whether it asked the hub to keep what arrives. The hub's own. */
  keepsRecent: boolean
}
