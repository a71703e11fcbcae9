/** One way to the gateway: what each transport implements, and what is heard from it. */
import type { GapReason } from '../shared/codes.js'
import type { PublicationFrame } from '../shared/frames.js'

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
  /** Where an earlier connection ended. Event streams and polls go on from there. */
  readonly cursor?: string
}

export interface Connection {
  /** How far this connection got; undefined where the transport has no cursor. */
  readonly cursor: string | undefined
  /** Ends it. Nothing is heard afterwards, not even `closed`. */
  close(): void
}

/** A publication as every transport delivers it. */
export type Publication = Omit<PublicationFrame, 'type'>

export type ConnectionEvent =
  | { readonly type: 'welcome' }
  | { readonly type: 'publication'; readonly publication: Publication }
  | { readonly type: 'gap'; readonly channel: string; readonly reason: GapReason }
  | ProblemEvent
  | WireEvent
  | ClosedEvent

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
  /** Of `shared/codes.ts`, or `connection_lost`, `connection_silent`, `token_unavailable`. */
  readonly code: string
  readonly message: string
  /** Whether coming back makes sense. False: only the application can mend it. */
  readonly retryable: boolean
  /** Not before this many ms: the server's word, or after `stayConnected` has chosen, the wait. */
  readonly retryAfterMs?: number
}
