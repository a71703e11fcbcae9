/** What an HTTP refusal says: its code, whether to come back, and when (PROTOCOL 9). */
import type { ClosedEvent } from './transport.js'

export type Refusal = Omit<ClosedEvent, 'type'>

export function readRefusal(response: Response, body: string, now: number): Refusal {
  const { status } = response
  const problem = readProblem(body)
  const code = problem.code ?? `http_${status}`
  const message = problem.detail ?? response.statusText
  const retryable = code === 'token_expired' || status === 408 || status === 429 || status >= 500
  const retryAfterMs = readRetryAfter(response.headers.get('retry-after'), now)
  return { code, message, retryable, ...(retryAfterMs !== undefined && { retryAfterMs }) }
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
