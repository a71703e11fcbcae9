/** That this node wants a subject: one broker subscription, and the local subscribers behind it. */
import { isChannel, type Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { BrokerSubscription } from './broker.js'
import type { Ring } from './ring.js'
import type { Subscriber } from './subscriber.js'
import type { Subscription } from './subscription.js'

export class Interest {
  readonly name: Channel | Pattern
  /** The name again if it is a channel; undefined for a pattern. */
  readonly channel: Channel | undefined
  /** The name again if it is a pattern: what the publications that come through it carry. */
  readonly pattern: Pattern | undefined
  readonly subscriptions: Subscription[] = []
  readonly brokerSubscription: BrokerSubscription
  /**
   * The hub's broker connection, counted, in which the broker has said that it sends us this
   * subject. What was said in an earlier connection proves nothing in a later one.
   */
  confirmedIn = -1
  /** Only where somebody reads by cursor. */
  ring: Ring | undefined = undefined
  /** Subscriptions of those readers: while there are any, the ring is in use. */
  readers = 0

  constructor(name: Channel | Pattern, subscribe: (interest: Interest) => BrokerSubscription) {
    this.name = name
    this.channel = isChannel(name) ? name : undefined
    this.pattern = isChannel(name) ? undefined : name
    this.brokerSubscription = subscribe(this)
  }

  add(subscriber: Subscriber): Subscription {
    const index = this.subscriptions.length
    const subscription = { subscriber, interest: this, index, keepsRecent: false }
    this.subscriptions.push(subscription)
    return subscription
  }

  /** Swaps the last one into the place: O(1), and the order of subscribers means nothing. */
  remove(subscription: Subscription): void {
    const last = this.subscriptions.pop()
    if (last !== undefined && last !== subscription) {
      this.subscriptions[subscription.index] = last
      last.index = subscription.index
    }
    subscription.index = -1
    if (subscription.keepsRecent) this.readers -= 1
  }
}
