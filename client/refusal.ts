/** What an HTTP refusal says: its code, whether to come back, and when (PROTOCOL 9). */
import { TidegateError } from './tidegate-error.js'

export function readRefusal(response: Response, body: string, now: number): TidegateError {
  const { status, statusText, headers } = response
  const { code = `http_${status}`, detail = statusText } = readProblem(body)
  return new TidegateError(code, detail, {
    status,
    retryable: code === 'token_expired' || status === 408 || status === 429 || status >= 500,
    retryAfterMs: readRetryAfter(headers.get('retry-after'), now),
  })
}

/** RFC 9457. What stands between us and the gateway may answer with a page of its own. */
function readProblem(body: string): { readonly code?: string; readonly detail?: string } {
  try {
    const problem: unknown = JSON.parse(body)
    return typeof problem === 'object' && problem !== null ? problem : {}
  } catch {
    return {}
  }
}

/** RFC 9110, 10.2.3: seconds or a date. */
function readRetryAfter(value: string | null, now: number): number | undefined {
  if (value === null) return undefined
  if (/^\d+$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
