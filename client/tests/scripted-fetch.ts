/** A `fetch` that answers what the test has written down, one entry a request. */
import { until } from './until.js'

export interface SentRequest {
  readonly url: string
  readonly method: string
  readonly authorization: string | null
  readonly body: Readonly<Record<string, unknown>>
  readonly signal: AbortSignal
}

/** `lost`: the connection broke; `silence`: no answer ever comes. */
export type Scripted = Response | 'lost' | 'silence'

export class ScriptedFetch {
  readonly requests: SentRequest[] = []
  readonly #script: Scripted[]

  constructor(script: readonly Scripted[]) {
    this.#script = [...script]
  }

  readonly fetch = (input: URL | RequestInfo, init: RequestInit = {}): Promise<Response> => {
    const { method = 'GET', headers, body, signal } = init
    this.requests.push({
      url: input instanceof Request ? input.url : input.toString(),
      method,
      authorization: new Headers(headers).get('authorization'),
      body: typeof body === 'string' ? (JSON.parse(body) as SentRequest['body']) : {},
      signal: signal as AbortSignal,
    })
    const answer = this.#script.shift()
    if (answer === undefined) throw new Error('no answer was written down')
    if (answer === 'silence') return new Promise(() => undefined)
    if (answer === 'lost') return Promise.reject(new TypeError('fetch failed'))
    return Promise.resolve(answer)
  }

  sent(count: number): Promise<void> {
    return until(() => this.requests.length === count)
  }
}

export function json(body: unknown): Response {
  return new Response(JSON.stringify(body))
}

/** A refusal of a gateway; without a code, a page of something that stands before it. */
export function refused(status: number, code?: string, retryAfter?: string): Response {
  const headers = new Headers(retryAfter === undefined ? {} : { 'retry-after': retryAfter })
  const problem = JSON.stringify({ code, detail: `because ${code}` })
  return new Response(code === undefined ? '<html>' : problem, { status, headers })
}
