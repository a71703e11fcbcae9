/** What a call of the SDK rejects with: a code to act on, a message for people (PROTOCOL 9). */

/** Why something ended or was refused. */
export interface Refusal {
  readonly code: string
  readonly message: string
  /** Whether trying again makes sense. False: only the application can mend it. */
  readonly retryable: boolean
  /** Not before this many ms: the server's word. */
  readonly retryAfterMs?: number | undefined
}

/** What an error may know beside its code. */
export interface TidegateErrorDetails {
  /** Whether trying again makes sense; false by default. */
  readonly retryable?: boolean
  /** Of the HTTP answer, where the error comes of one. */
  readonly status?: number
  /** What `Retry-After` said, in ms from when the answer came. */
  readonly retryAfterMs?: number | undefined
  /** The error behind this one. */
  readonly cause?: unknown
}

/** Every error that the SDK rejects with, but for a signal's own reason at abort. */
export class TidegateError extends Error implements Refusal {
  override readonly name = 'TidegateError'
  /**
   * A refusal's code (PROTOCOL 9); `http_<status>` if the answer was not a gateway's. Of the
   * client's own: `closed` (the SDK was), `connection_lost`, `connection_silent` (no answer in
   * time), `protocol_error` (an answer that cannot be read), `token_unavailable` (the provider
   * failed), `publish_unanswered` (whether the publication was made is not known).
   */
  readonly code: string
  readonly retryable: boolean
  /** Of the HTTP answer, where the error comes of one. */
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: string, message: string, details: TidegateErrorDetails = {}) {
    const { retryable = false, status, retryAfterMs, cause } = details
    super(message, { cause })
    this.code = code
    this.retryable = retryable
    this.status = status
    this.retryAfterMs = retryAfterMs
  }
}
