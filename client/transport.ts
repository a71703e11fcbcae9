/** One way to the gateway: what each transport implements, and what is heard from it. */
import type { GapFrame, PublicationFrame } from '../shared/frames.js'
import type { Chain } from './chain.js'
import type { Positions } from './positions.js'

export type TransportName = 'websocket' | 'event-stream' | 'long-poll' | 'short-poll'

export interface Transport {
  readonly name: TransportName
  /** Opens one connection. Never throws, and nothing is heard before it has returned. */
  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection
}

export interface ConnectionRequest {
  /** The gateway's address: `https://rt.example.com`. */
  readonly url: string
  /** Asked for a token by every connection that opens, and when one is about to expire. */
  readonly token: () => Promise<string>
  readonly channels: readonly string[]
  /** Begins with the newest so many of each durable channel of which nothing was got before. */
  readonly last?: number
  /** Where an earlier connection ended, by whatever transport. This one goes on from there. */
  readonly cursor?: string
  /** What earlier ones have got, beyond what a cursor has room for; `Session` hands it on. */
  readonly progress?: Progress
}

export interface Progress {
  readonly chain: Chain
  readonly positions: Positions
}

export interface Connection {
  /** How far this connection got; undefined while there is nothing to go on from. */
  readonly cursor: string | undefined
  /**
   * Changes the channels, in place: those that are new begin, those that are gone end. False: this
   * transport cannot; a connection that goes on from the cursor of this one can have others.
   */
  update(channels: readonly string[]): boolean
  /** Ends it. Nothing is heard afterwards, not even `closed`. */
  close(): void
}

/** A publication as every transport delivers it. */
export type Publication = Omit<PublicationFrame, 'type'>

export type ConnectionEvent =
  /** With the channels that are subscribed already; those of a WebSocket follow one by one. */
  | { readonly type: 'welcome'; readonly subscriptions: readonly string[] }
  | SubscribedEvent
  | { readonly type: 'publication'; readonly publication: Publication }
  | GapEvent
  | RecoveredEvent
  /** No more publications will come in this channel; its last one was heard. */
  | { readonly type: 'ended'; readonly channel: string }
  | ProblemEvent
  | WireEvent
  | ClosedEvent

/** What is published from now on comes. */
export interface SubscribedEvent {
  readonly type: 'subscribed'
  readonly channel: string
}

/** Something of a subscribed channel is lost: what, if that is known, and why. */
export type GapEvent = GapFrame

/**
 * Whether everything since the cursor follows; if not, a gap says what is missing. Polls and
 * WebSockets say it. An event stream does not: there everything follows unless a gap is heard.
 */
export interface RecoveredEvent {
  readonly type: 'recovered'
  readonly channel: string
  readonly recovered: boolean
  /** Of a durable channel that a WebSocket recovers: it had everything up to this offset. */
  readonly after?: number
  /** Its history ends with this offset or before, and live begins. */
  readonly upTo?: number
}

/** Something was refused or lost; the connection goes on, perhaps without one of its channels. */
export interface ProblemEvent {
  readonly type: 'problem'
  readonly code: string
  readonly message: string
  readonly channel?: string
}

/** What the wire carried, for people to look at. Tokens are left out. */
export interface WireEvent {
  readonly type: 'wire'
  readonly direction: 'in' | 'out'
  readonly text: string
}

/** The last event of a connection. */
export interface ClosedEvent {
  readonly type: 'closed'
  /**
   * Of `shared/codes.ts`, or `connection_lost`, `connection_silent`, `token_unavailable`,
   * `chain_broken` (something is missing that no gap told), `ended` (all channels have).
   */
  readonly code: string
  readonly message: string
  /** Whether coming back makes sense. False: only the application can mend it. */
  readonly retryable: boolean
  /** Not before this many ms: the server's word. */
  readonly retryAfterMs?: number
}
