/** What one subscriber heard, in order, over every connection that it had and any transport. */

export interface SubscriberRecord {
  readonly subscriber: string
  readonly events: readonly HeardEvent[]
}

/** `name` is the channel or pattern that was subscribed. */
export type HeardEvent =
  | HeardSubscribed
  | HeardPublication
  | HeardGap
  | { readonly type: 'ended'; readonly name: string }
  | { readonly type: 'disconnected' }
  | { readonly type: 'reconnected' }

/** A subscription has begun, or goes on: `subscribed`, `welcome`, or the answer to a poll. */
export interface HeardSubscribed {
  readonly type: 'subscribed'
  readonly name: string
  /** Where live begins. */
  readonly epoch: string
  readonly offset: number
  /** The position that the subscriber showed. */
  readonly shown?: ShownPosition
  /** How many of the newest it asked for. */
  readonly last?: number
  readonly recovered?: boolean
}

export interface ShownPosition {
  readonly epoch: string
  readonly offset: number
}

export interface HeardPublication {
  readonly type: 'publication'
  readonly name: string
  readonly channel: string
  readonly offset: number
  /** 0: none. */
  readonly previous: number
  /** From the payload; undefined: it is none of a numbered publication of this channel. */
  readonly number: number | undefined
}

export interface HeardGap {
  readonly type: 'gap'
  readonly name: string
  readonly reason: string
  readonly after?: number
  readonly before?: number
  readonly epoch?: string
  readonly offset?: number
}
