/** Refusals by HTTP: problem details (RFC 9457) with a stable code (PROTOCOL 9). */
import { STATUS_CODES } from 'node:http'
import type { HttpResponse } from 'uWebSockets.js'
import { httpStatus, type HttpCode } from '../shared/codes.js'

export interface Problem {
  readonly code: HttpCode
  /** One sentence for the developer who reads it: what is wrong, and what to do. */
  readonly detail: string
  /** Only with 503 and 429: when to come back. */
  readonly retryAfterSeconds?: number
}

export interface Ending {
  /** The request's body has not been read to its end: nothing can follow on this connection. */
  readonly closesConnection?: boolean
  /** The answer to a HEAD: the same head, no content. */
  readonly isHead?: boolean
}

export function problemJson({ code, detail }: Problem): string {
  const status = httpStatus[code]
  const title = STATUS_CODES[status] ?? code
  return JSON.stringify({ type: 'about:blank', title, status, code, detail })
}

export function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ''}`
}

/** RFC 6750 3.1: who sent no token learns only that one is wanted. */
function challenge(code: HttpCode): string {
  return code === 'token_missing' ? 'Bearer' : 'Bearer error="invalid_token"'
}

/**
 * Answers with the problem. `writeHeaders` adds what the route needs (CORS, `Allow`).
 */
export function sendProblem(
  res: HttpResponse,
  problem: Problem,
  writeHeaders: (res: HttpResponse) => void = () => {},
  ending: Ending = {},
): void {
  const status = httpStatus[problem.code]
  res.cork(() => {
    res.writeStatus(statusLine(status))
    res.writeHeader('Content-Type', 'application/problem+json')
    res.writeHeader('Cache-Control', 'no-store')
    if (problem.retryAfterSeconds !== undefined) {
      res.writeHeader('Retry-After', String(problem.retryAfterSeconds))
    }
    if (status === 401) res.writeHeader('WWW-Authenticate', challenge(problem.code))
    writeHeaders(res)
    const body = problemJson(problem)
    // With a length the older build does not count the response as answered, and ends the process.
    if (ending.isHead === true) res.endWithoutBody()
    else res.end(body, ending.closesConnection === true)
  })
}
