/** One subject wanted from NATS. It outlives connections: each session makes it anew. */
import type { Subscription } from '@nats-io/transport-node'
import type { BrokerSubscription } from './broker.js'
import type { NatsMessage } from './nats-message.js'
import type { NatsSession } from './nats-session.js'

/** What a subscription needs of the broker that it belongs to. */
export interface NatsSubscriptionOwner {
  /** Undefined: not connected, or not all subscriptions are made yet. */
  readonly readySession: NatsSession | undefined
  forget(subscription: NatsSubscription): void
}

export class NatsSubscription implements BrokerSubscription {
  readonly subject: string
  readonly receive: (message: NatsMessage) => void
  /** The session in which it was made last. */
  session: NatsSession | undefined = undefined
  native: Subscription | undefined = undefined
  /** NATS has answered the SUB with a permission violation. */
  isRefused = false
  readonly #owner: NatsSubscriptionOwner
  #isActive = true

  constructor(
    subject: string,
    receive: (message: NatsMessage) => void,
    owner: NatsSubscriptionOwner,
  ) {
    this.subject = subject
    this.receive = receive
    this.#owner = owner
  }

  async confirm(): Promise<boolean> {
    const session = this.#owner.readySession
    if (!this.#isActive || session === undefined || session !== this.session) return false
    return (await session.roundTrip()) && this.#isActive && !this.isRefused
  }

  unsubscribe(): void {
    this.#isActive = false
    this.#owner.forget(this)
    // Throws nothing on a closed connection.
    this.native?.unsubscribe()
  }
}
