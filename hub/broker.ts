/** What the hub needs of a message broker. There are two: in memory, and over NATS. */

/** A message as the broker hands it over. */
export interface BrokerMessage {
  readonly subject: string
  /** Valid only during the call: copy what is kept. */
  readonly payload: Uint8Array
  /** The last value of a header, or undefined. Reading is lazy: most messages have no headers. */
  header(name: string): string | undefined
}

export interface BrokerSubscription {
  /**
   * Resolves when the broker has taken the subscription; rejects never. False: not connected,
   * disconnected meanwhile, refused by the broker's permissions, or unsubscribed.
   */
  confirm(): Promise<boolean>
  unsubscribe(): void
}

/** What happened to the broker's connection, for the owner to log, count and act on. */
export type BrokerEvent =
  | { readonly type: 'connected'; readonly server: string }
  | { readonly type: 'disconnected'; readonly server: string }
  | { readonly type: 'connect_failed'; readonly reason: string }
  | { readonly type: 'error'; readonly reason: string }

export type PublishResult =
  { readonly ok: true } | { readonly ok: false; readonly code: 'broker_unavailable' }

export interface Broker {
  readonly isConnected: boolean
  /**
   * Called once, before `start`. `connected` comes when every subscription has been taken: what is
   * published afterwards arrives.
   */
  onEvent(listener: (event: BrokerEvent) => void): void
  /** Begins to connect and goes on forever; resolves at once, connected or not. */
  start(): Promise<void>
  /**
   * `receive` runs synchronously for each message; what it throws is reported as an `error`. May be
   * called unconnected. Two subscriptions to one subject each receive every message.
   */
  subscribe(subject: string, receive: (message: BrokerMessage) => void): BrokerSubscription
  /**
   * Ok means that the broker has the message, not that anybody received it. Never rejects. The
   * payload may change after the call. Nothing is held back for a later connection.
   */
  publish(
    subject: string,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<PublishResult>
  /** Flushes what was published and leaves. */
  close(): Promise<void>
}
