/** What an HTTP refusal says: its code, whether to come back, and when (PROTOCOL 9). */
import { TidegateError } from './tidegate-error.js'

export function readRefusal(
  { status, statusText, headers }: Response,
  body: string,
): TidegateError {
  const { code = `http_${status}`, detail = statusText } = readProblem(body)
  // A date, which a gateway does not write, is no number (RFC 9110, 10.2.3).
  const seconds = Number(headers.get('retry-after') ?? NaN)
  return new TidegateError(code, detail, {
    status,
    // A page of what stands between us and the gateway says nothing of the gateway.
    retryable: /^(http_|token_expired)/.test(code) || [408, 429].includes(status) || status >= 500,
    retryAfterMs: seconds >= 0 ? seconds * 1000 : undefined,
  })
}

/** RFC 9457. What stands between us and the gateway may answer with a page of its own. */
function readProblem(body: string): { readonly code?: string; readonly detail?: string } {
  try {
    return Object(JSON.parse(body)) as object
  } catch {
    return {}
  }
}
