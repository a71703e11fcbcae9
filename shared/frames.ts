/** The frames of the WebSocket protocol (PROTOCOL 4): one closed union for each direction. */
import type { Channel } from './channel.js'
import type { FrameCode, GapReason } from './codes.js'
import type { Pattern } from './pattern.js'
import type { Position } from './position.js'
import type { ShownPosition } from './shown-position.js'

export type ClientFrame =
  | SubscribeFrame
  | { readonly type: 'unsubscribe'; readonly id: number; readonly channel: Channel | Pattern }
  | PublishFrame
  | { readonly type: 'refresh'; readonly id: number; readonly token: string }
  | { readonly type: 'ping'; readonly id?: number }

export interface SubscribeFrame {
  readonly type: 'subscribe'
  readonly id: number
  readonly channel: Channel | Pattern
  /** Goes on from here, on a durable channel; a cursor that does not cover it counts as none. */
  readonly position?: ShownPosition
  /** Begins with the newest so many, on a durable channel; a position goes before it. */
  readonly last?: number
}

export interface PublishFrame extends PublishRequest {
  readonly type: 'publish'
  readonly id: number
}

/** What a client publishes, by frame or by HTTP. */
export interface PublishRequest {
  readonly channel: Channel
  /** The bytes as the client sent them: never parsed and written again. */
  readonly payload: Uint8Array
  /** Absent: the payload is JSON. */
  readonly contentType?: string
  readonly idempotencyKey?: string
}

/** Every frame of the server but the publication, which is spliced from bytes. */
export type ServerFrame =
  | WelcomeFrame
  | SubscribedFrame
  | { readonly type: 'unsubscribed'; readonly id: number; readonly channel: string }
  | { readonly type: 'published'; readonly id: number; readonly offset?: number }
  | { readonly type: 'refreshed'; readonly id: number; readonly expiresAt: number }
  | { readonly type: 'pong'; readonly id?: number }
  | HeartbeatFrame
  | { readonly type: 'reconnect'; readonly afterMs: number }
  | GapFrame
  | { readonly type: 'ended'; readonly channel: string }
  | ErrorFrame

export interface WelcomeFrame {
  readonly type: 'welcome'
  readonly connection: string
  readonly node: string
  /** When the token expires, in ms since 1970. */
  readonly expiresAt: number
  readonly heartbeatSeconds: number
  /** Stands for the token at a later handshake. */
  readonly ticket?: string
  /** For how long an idempotency key counts, at least; absent where no namespace is durable. */
  readonly duplicateWindowSeconds?: number
  /** The channels that the token's `channels` claim subscribed. */
  readonly subscriptions: readonly string[]
  /** Where live begins in those of them that are durable, by name; absent where none is. */
  readonly positions?: Readonly<Record<string, Position>>
}

/** Beside `id` and `channel`, the position at which live begins; only on durable channels. */
export interface SubscribedFrame extends Partial<Position> {
  readonly type: 'subscribed'
  readonly id: number
  readonly channel: string
  /** Whether everything after the position that was shown follows; absent if none was shown. */
  readonly recovered?: boolean
}

export interface HeartbeatFrame {
  readonly type: 'heartbeat'
  /** By namespace; absent where nothing is new. */
  readonly verified?: Readonly<Record<string, VerifiedOffset>>
}

/** Who is up to date in a namespace has everything of it up to this offset. */
export interface VerifiedOffset {
  readonly epoch: string
  readonly offset: number
}

/** What lay between `after` and `before` cannot be delivered. Ephemeral channels have no bounds. */
export interface GapFrame {
  readonly type: 'gap'
  readonly channel: string
  readonly after?: number
  readonly before?: number
  readonly reason: GapReason
  /** With `new_epoch`: the history that goes on, and the offset after which it does. */
  readonly epoch?: string
  readonly offset?: number
}

export interface ErrorFrame {
  readonly type: 'error'
  /** The frame that failed; absent where the error answers none. */
  readonly id?: number
  /** The channel whose subscription ended with this error. */
  readonly channel?: string
  readonly code: FrameCode
  readonly message: string
}

/** A publication as JSON carries it. With `base64` there is no `data`: the payload is not JSON. */
export interface PublicationFrame {
  readonly type: 'publication'
  readonly channel: string
  readonly pattern?: string
  /** Its place in the history, and that of the one before it in its channel; durable ones only. */
  readonly offset?: number
  readonly previous?: number
  /** ms since 1970. */
  readonly time: number
  readonly sender?: string
  readonly data?: unknown
  readonly base64?: string
  readonly contentType?: string
}
