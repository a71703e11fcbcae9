/** One way to the gateway: what each transport implements, and what is heard from it. */
import type { GapReason } from '../shared/codes.js'
import type { GapFrame, PublicationFrame } from '../shared/frames.js'
import type { Gateway } from './gateway.js'
import type { Progress } from './progress.js'
import type { SessionState } from './session.js'
import type { Refusal } from './tidegate-error.js'

/** What a state says of how it is connected. */
export type TransportName = 'websocket' | 'event-stream' | 'long-poll' | 'short-poll'

/** One of the three ways to a gateway. Its connections are the client's own matter. */
export interface Transport {
  readonly name: TransportName
  /** @internal Opens one connection. Never throws, and nothing is heard before it has returned. */
  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection
}

export interface ConnectionRequest {
  readonly gateway: Gateway
  readonly channels: readonly string[]
  /** Begins with the newest so many of each durable channel of which nothing was got before. */
  readonly last?: number
  /** Where the connections before this one got to, and where this one gets to. */
  readonly progress: Progress
}

export interface Connection {
  /**
   * Changes the channels, in place: those that are new begin, those that are gone end. False: this
   * transport cannot; another connection can have others.
   */
  update(channels: readonly string[]): boolean
  /** The machine may have slept, or its network changed: if nobody answers soon, it has ended. */
  check(): void
  /** Ends it. Nothing is heard afterwards, not even `closed`. */
  close(): void
}

/** A publication as every transport delivers it. */
export type Publication = Omit<PublicationFrame, 'type'>

export type ConnectionEvent =
  /** The gateway has let it in. The channels follow, one by one. */
  | { readonly type: 'welcome' }
  /** Every channel that was wanted has begun, or was refused. */
  | { readonly type: 'ready' }
  /** The node leaves: another connection is to be open in so many ms. */
  | { readonly type: 'reconnect'; readonly afterMs: number }
  /** The connection behind this one, which several share, is being made anew: a welcome follows. */
  | { readonly type: 'state'; readonly state: SessionState }
  | SubscribedEvent
  | { readonly type: 'publication'; readonly publication: Publication }
  | GapEvent
  | EndedEvent
  | ProblemEvent
  | ClosedEvent

/** What is published from now on comes. */
export interface SubscribedEvent {
  readonly type: 'subscribed'
  readonly channel: string
}

/**
 * Something of a subscribed channel is lost: what, if that is known, and why. Where none is heard,
 * everything has come or follows, however often a connection was lost. `not_subscribed` is
 * the client's own reason: what came in an ephemeral channel while it had no connection.
 */
export type GapEvent = Omit<GapFrame, 'reason'> & {
  readonly reason: GapReason | 'not_subscribed'
}

/** No more publications will come in this channel; its last one was heard. */
export interface EndedEvent {
  readonly type: 'ended'
  readonly channel: string
}

/** Something was refused or lost; the connection goes on, perhaps without one of its channels. */
export interface ProblemEvent {
  readonly type: 'problem'
  readonly code: string
  readonly message: string
  readonly channel?: string
}

/**
 * The last event of a connection. Its code is of PROTOCOL 9, or `connection_lost`,
 * `connection_silent`, `token_unavailable`, `protocol_error`, `chain_broken` (something is missing
 * that no gap told), `ended` (all channels have).
 */
export interface ClosedEvent extends Refusal {
  readonly type: 'closed'
}
