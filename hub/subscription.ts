/** One subscriber's place in one interest. The array position makes leaving O(1). */
import type { Position } from '../shared/position.js'
import type { CatchUp } from './catch-up.js'
import type { Interest } from './interest.js'
import type { Subscriber } from './subscriber.js'

export interface Subscription {
  readonly subscriber: Subscriber
  readonly interest: Interest
  /** Place in `interest.subscriptions`; -1 while it is not live. The hub's own. */
  index: number
  /** It has been unsubscribed. The hub's own. */
  isOver: boolean
  /** Whether it asked the hub to keep what arrives, on an ephemeral channel. The hub's own. */
  keepsRecent: boolean
  /** What it has to be given before it is live; undefined: it is live. The hub's own. */
  catchUp: CatchUp | undefined
  /** Of a pattern: everything up to here was given before it was live. The hub's own. */
  liveFrom: number
}

/** Where a subscription to a durable channel begins; with neither: now. */
export interface Start {
  /** Goes on where an earlier subscription was. */
  readonly position?: Position
  /** Begins with the newest so many; a position goes before it. */
  readonly last?: number
}

/** What `hub.begin` found. */
export type Begun = BegunEphemeral | BegunDurable | BeginFailure

export interface BegunEphemeral {
  readonly ok: true
  readonly isDurable: false
}

export interface BegunDurable {
  readonly ok: true
  readonly isDurable: true
  /** Where live begins: history up to here follows after `hub.release`, then what comes. */
  readonly position: Position
  /** Only if a position was shown: whether everything after it follows. If not, gaps say what. */
  readonly recovered: boolean | undefined
  /** The channel has ended, and nothing follows the position. */
  readonly isEnded: boolean
}

export interface BeginFailure {
  readonly ok: false
  /** `not_subscribed`: it was unsubscribed meanwhile. */
  readonly code: 'broker_unavailable' | 'overloaded' | 'not_subscribed'
}
