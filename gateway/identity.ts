/** Who a connection is, and what it may do: what is left of a token once it has been verified. */
import type { Channel } from '../shared/channel.js'
import { covers, type Pattern } from '../shared/pattern.js'

export interface Identity {
  /** The `sub` claim: the `sender` of what this client publishes. */
  readonly subject: string | undefined
  /** `exp`, in ms since 1970. */
  readonly expiresAt: number
  readonly permissions: Permissions
}

/** Nothing listed, nothing allowed. Many connections with equal claims share one of these. */
export class Permissions {
  /** Subscribed by the server at connect: the `channels` claim. */
  readonly channels: readonly (Channel | Pattern)[]
  readonly #subscribe: readonly string[]
  readonly #publish: readonly string[]

  constructor(
    channels: readonly (Channel | Pattern)[],
    subscribe: readonly string[],
    publish: readonly string[],
  ) {
    this.channels = channels
    this.#subscribe = subscribe
    this.#publish = publish
  }

  /** One granted pattern must cover it wholly; what `channels` subscribes is allowed by that. */
  maySubscribe(name: Channel | Pattern): boolean {
    return this.channels.includes(name) || this.#subscribe.some((granted) => covers(granted, name))
  }

  mayPublish(channel: Channel): boolean {
    return this.#publish.some((granted) => covers(granted, channel))
  }
}
