/** The frames of the WebSocket protocol (PROTOCOL 4): one closed union for each direction. */
import type { Channel } from './channel.js'
import type { FrameCode, GapReason } from './codes.js'
import type { Pattern } from './pattern.js'

export type ClientFrame =
  | { readonly type: 'subscribe'; readonly id: number; readonly channel: Channel | Pattern }
  | { readonly type: 'unsubscribe'; readonly id: number; readonly channel: Channel | Pattern }
  | PublishFrame
  | { readonly type: 'refresh'; readonly id: number; readonly token: string }
  | { readonly type: 'ping'; readonly id?: number }

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
  | { readonly type: 'subscribed'; readonly id: number; readonly channel: string }
  | { readonly type: 'unsubscribed'; readonly id: number; readonly channel: string }
  | { readonly type: 'published'; readonly id: number }
  | { readonly type: 'refreshed'; readonly id: number; readonly expiresAt: number }
  | { readonly type: 'pong'; readonly id?: number }
  | { readonly type: 'heartbeat' }
  | { readonly type: 'gap'; readonly channel: string; readonly reason: GapReason }
  | ErrorFrame

export interface WelcomeFrame {
  readonly type: 'welcome'
  readonly connection: string
  readonly node: string
  /** When the token expires, in ms since 1970. */
  readonly expiresAt: number
  readonly heartbeatSeconds: number
  /** The channels that the token's `channels` claim subscribed. */
  readonly subscriptions: readonly string[]
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
  /** ms since 1970. */
  readonly time: number
  readonly sender?: string
  readonly data?: unknown
  readonly base64?: string
  readonly contentType?: string
}
