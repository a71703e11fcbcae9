/** What a call of the SDK rejects with: a code to act on, a message for people (PROTOCOL 9). */

/** What an error may know beside its code. */
export interface TidegateErrorDetails {
  /** Of the HTTP answer, where the error comes of one. */
  readonly status?: number
  /** What `Retry-After` said, in ms from when the answer came. */
  readonly retryAfterMs?: number
  /** The error behind this one. */
  readonly cause?: unknown
}

/** Every error that the SDK rejects with, but for a signal's own reason at abort. */
export class TidegateError extends Error {
  override readonly name = 'TidegateError'
  /**
   * A refusal's code, of `shared/codes.ts`; `http_<status>` if the answer was not a gateway's. Of
   * the client's own: `closed` (the SDK was), `connection_lost`, `connection_silent` (no answer in
   * time), `protocol_error` (an answer that cannot be read), `token_unavailable` (the provider
   * failed), `publish_unanswered` (whether the publication was made is not known).
   */
  readonly code: string
  /** Of the HTTP answer, where the error comes of one. */
  readonly status?: number
  /** What `Retry-After` said, in ms from when the answer came. */
  readonly retryAfterMs?: number

  constructor(code: string, message: string, details: TidegateErrorDetails = {}) {
    const { status, retryAfterMs, cause } = details
    super(message, cause === undefined ? {} : { cause })
    this.code = code
    if (status !== undefined) this.status = status
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs
  }
}
