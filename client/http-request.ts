/** One request to the gateway and its answer, or why there is none that counts (PROTOCOL 8, 9). */
import { Cancellation } from './cancellation.js'
import type { Clock } from './clock.js'
import { eventsUrl } from './events-url.js'
import { readRefusal } from './refusal.js'
import { requestInit, type RequestParts } from './request-init.js'
import { TidegateError } from './tidegate-error.js'

export interface HttpRequest extends RequestParts {
  /** Below `/v1/`, with its query. */
  readonly path: string
}

export type HttpAnswer =
  { readonly ok: true; readonly body: Readonly<Record<string, unknown>> } | HttpFailure

export interface HttpFailure {
  readonly ok: false
  readonly error: TidegateError
  /** Whether asking again makes sense. */
  readonly retryable: boolean
  /** Whether it is certain that the gateway did not do what was asked. */
  readonly isUndone: boolean
}

/** An answer that is later than this is not coming any more. */
const answerMsMax = 15_000

/**
 * Codes of 500 and above that say that nothing was done: the node turned the request away. What
 * came to `broker_unavailable` or `internal_error` may have been done (PROTOCOL 4.11).
 */
const undoneCodes: ReadonlySet<string> = new Set(['overloaded', 'draining', 'key_unknown'])

/** Rejects only with the reason of `cancelled`; every other fault is an answer. */
export async function askGateway(
  gateway: string,
  request: HttpRequest,
  send: typeof fetch,
  clock: Clock,
  cancelled: AbortSignal,
): Promise<HttpAnswer> {
  const attempt = new Cancellation(cancelled)
  const { signal } = attempt
  const stopTimer = clock.after(answerMsMax, () => {
    attempt.cancel(new TidegateError('connection_silent', 'a request was not answered'))
  })
  try {
    const url = new URL(request.path, eventsUrl(gateway))
    const response = await attempt.until(send(url, { ...requestInit(request), signal }))
    const text = await attempt.until(response.text())
    return response.ok ? readAnswer(response, text) : readFailure(response, text, clock.now())
  } catch (error) {
    if (cancelled.aborted) throw cancelled.reason
    return { ok: false, error: lossOf(error), retryable: true, isUndone: false }
  } finally {
    stopTimer()
    attempt.end()
  }
}

function readAnswer({ status }: Response, text: string): HttpAnswer {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null) return { ok: true, body: { ...body } }
  } catch {
    // Below.
  }
  const error = new TidegateError('protocol_error', 'the answer is no JSON object', { status })
  return { ok: false, error, retryable: true, isUndone: false }
}

function readFailure(response: Response, text: string, now: number): HttpFailure {
  const { status } = response
  const { code, message, retryable, retryAfterMs } = readRefusal(response, text, now)
  const details = { status, ...(retryAfterMs !== undefined && { retryAfterMs }) }
  const error = new TidegateError(code, message, details)
  return { ok: false, error, retryable, isUndone: isUndone(status, code) }
}

function isUndone(status: number, code: string): boolean {
  // A proxy's own 408 may stand for a body that the gateway has had all of.
  if (status === 408) return code === 'request_timeout'
  return status < 500 || undoneCodes.has(code)
}

/** A `fetch` that fails does not say whether the request had left. */
function lossOf(error: unknown): TidegateError {
  if (error instanceof TidegateError) return error
  return new TidegateError('connection_lost', String(error), { cause: error })
}
