/** That this node wants a subject: one broker subscription, and the local subscribers behind it. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { BrokerSubscription } from './broker.js'
import type { Ring } from './ring.js'
import type { Subscriber } from './subscriber.js'
import type { Subscription } from './subscription.js'

export class Interest {
  readonly name: Channel | Pattern
  /** The name again if it is a pattern: what the publications that come through it carry. */
  readonly pattern: Pattern | undefined
  readonly subscriptions: Subscription[] = []
  readonly brokerSubscription: BrokerSubscription
  /** Whether the broker has said that it sends us this subject. */
  isConfirmed = false
  /** Only where somebody reads by cursor. */
  ring: Ring | undefined = undefined

  constructor(
    name: Channel | Pattern,
    pattern: Pattern | undefined,
    subscribe: (interest: Interest) => BrokerSubscription,
  ) {
    this.name = name
    this.pattern = pattern
    this.brokerSubscription = subscribe(this)
  }

  add(subscriber: Subscriber): Subscription {
    const subscription = { subscriber, interest: this, index: this.subscriptions.length }
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
  }
}
