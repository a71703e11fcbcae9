/** The stable codes: the same words in frames, HTTP problems, close reasons, logs and metrics. */

/** HTTP status of each code that a request can be refused with (PROTOCOL 9). */
export const httpStatus = {
  bad_request: 400,
  token_missing: 401,
  token_invalid: 401,
  token_expired: 401,
  forbidden: 403,
  origin_refused: 403,
  not_found: 404,
  unknown_namespace: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  too_large: 413,
  upgrade_required: 426,
  rate_limited: 429,
  internal_error: 500,
  overloaded: 503,
  draining: 503,
  broker_unavailable: 503,
  key_unknown: 503,
} as const

export type HttpCode = keyof typeof httpStatus

/** Codes that only frames carry: they speak of the state of one connection. */
export type FrameCode =
  HttpCode | 'already_subscribed' | 'not_subscribed' | 'too_many_subscriptions'

/**
 * WebSocket close codes. The range is the policy, so an old client understands a new code:
 * 4000-4499 come back with backoff, 4500-4999 stop and tell the application.
 */
export const closeCode = {
  draining: 4001,
  slow_consumer: 4002,
  token_expired: 4003,
  key_unknown: 4004,
  token_invalid: 4500,
  revoked: 4501,
  protocol_error: 4502,
  token_missing: 4503,
  forbidden: 4504,
} as const

export type CloseReason = keyof typeof closeCode

/** Why a stretch of a channel cannot be delivered. */
export type GapReason =
  | 'cursor_expired'
  | 'other_node'
  | 'broker_disconnected'
  | 'slow_consumer'
  | 'too_large'
  | 'new_epoch'
  | 'expired'
  | 'recovery_limit'
