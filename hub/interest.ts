/** That this node wants a subject: one broker subscription, and the local subscribers behind it. */
import { isChannel, type Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { BrokerSubscription } from './broker.js'
import type { CatchUp } from './catch-up.js'
import type { DurableChannel } from './durable-channel.js'
import type { DurableNamespace } from './durable-namespace.js'
import type { Ring } from './ring.js'
import type { Subscriber } from './subscriber.js'
import type { Subscription } from './subscription.js'

export class Interest {
  readonly name: Channel | Pattern
  /** The name again if it is a channel; undefined for a pattern. */
  readonly channel: Channel | undefined
  /** The name again if it is a pattern: what the publications that come through it carry. */
  readonly pattern: Pattern | undefined
  /** Undefined: it is ephemeral. */
  readonly namespace: DurableNamespace | undefined
  /** The live ones: a publication is handed to each of them. */
  readonly subscriptions: Subscription[] = []
  /** Of durable subscriptions that are not live; undefined where there is none. */
  catching: Set<CatchUp> | undefined = undefined
  /** Subscriptions, live or not. */
  users = 0
  readonly brokerSubscription: BrokerSubscription
  /**
   * The hub's broker connection, counted, in which the broker has said that it sends us this
   * subject. What was said in an earlier connection proves nothing in a later one.
   */
  confirmedIn = -1
  /** On an ephemeral channel only where somebody reads by cursor. */
  ring: Ring | undefined = undefined
  /** Subscriptions of those readers: while there are any, the ring is in use. */
  readers = 0
  /** Of a durable channel, its chain and what belongs to it. */
  durable: DurableChannel | undefined = undefined
  /** Of a durable pattern, up to where the history was looked at when it began; -1: not yet. */
  base = -1

  constructor(
    name: Channel | Pattern,
    namespace: DurableNamespace | undefined,
    subscribe: (interest: Interest) => BrokerSubscription,
  ) {
    this.name = name
    this.namespace = namespace
    this.channel = isChannel(name) ? name : undefined
    this.pattern = isChannel(name) ? undefined : name
    this.brokerSubscription = subscribe(this)
  }

  get usesRing(): boolean {
    return this.readers > 0 || (this.namespace !== undefined && this.users > 0)
  }

  /** Not live yet: `join` makes it so. */
  add(subscriber: Subscriber): Subscription {
    this.users += 1
    return {
      subscriber,
      interest: this,
      index: -1,
      isOver: false,
      keepsRecent: false,
      catchUp: undefined,
      liveFrom: 0,
    }
  }

  join(subscription: Subscription): void {
    subscription.index = this.subscriptions.push(subscription) - 1
  }

  /** Swaps the last one into the place: O(1), and the order of subscribers means nothing. */
  leave(subscription: Subscription): void {
    if (subscription.index === -1) return
    const last = this.subscriptions.pop()
    if (last !== undefined && last !== subscription) {
      this.subscriptions[subscription.index] = last
      last.index = subscription.index
    }
    subscription.index = -1
  }

  remove(subscription: Subscription): void {
    this.leave(subscription)
    subscription.isOver = true
    this.users -= 1
    if (subscription.keepsRecent) this.readers -= 1
  }

  addCatchUp(catchUp: CatchUp): void {
    this.catching ??= new Set()
    this.catching.add(catchUp)
  }

  /** An empty set costs as much as all the rest of a quiet channel. */
  removeCatchUp(catchUp: CatchUp): void {
    this.catching?.delete(catchUp)
    if (this.catching?.size === 0) this.catching = undefined
  }
}
