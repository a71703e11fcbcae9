/** The gateway as a client sees it: where it is, who asks, and one way to ask (PROTOCOL 8, 9). */
import { Cancellation } from './cancellation.js'
import { Credentials, type TokenProvider } from './credentials.js'
import type { Pace } from './reconnect-pace.js'
import { readRefusal } from './refusal.js'
import { TidegateError } from './tidegate-error.js'

export interface GatewayRequest {
  /** Below `/v1/`, with its query. */
  readonly path: string
  /** JSON. With one it is a POST, without a GET. */
  readonly body?: string
  readonly accept?: string
  readonly signal?: AbortSignal
  readonly withinMs?: number
}

/** What a gateway says to who is welcome. */
export interface Welcome {
  /** When the token expires, in ms since 1970. */
  readonly expiresAt: number
  readonly ticket?: string
  readonly duplicateWindowSeconds?: number
}

/** An answer that is later than this is not coming any more. */
export const answerMsMax = 15_000

/** What cannot be read was not written by a gateway; else the way there broke. */
export function errorOf(error: unknown): TidegateError {
  if (error instanceof TidegateError) return error
  const code = error instanceof SyntaxError ? 'protocol_error' : 'connection_lost'
  // Node hides what happened in a cause.
  const { cause = error } = error as Error
  return new TidegateError(code, String(cause), { retryable: true, cause })
}

export function silentError(): TidegateError {
  return new TidegateError('connection_silent', 'no answer came', { retryable: true })
}

export class Gateway {
  readonly credentials: Credentials
  readonly pace: Pace
  /** For how long the gateway knows a publication by its key, as far as it has told (4.20). */
  duplicateWindowMs = 120_000
  readonly #base: URL
  readonly #fetch: typeof fetch

  /** Throws for a URL that is none. */
  constructor(url: string | URL, token: TokenProvider, pace: Pace, send: typeof fetch) {
    this.#base = new URL(url)
    if (!this.#base.pathname.endsWith('/')) this.#base.pathname += '/'
    this.pace = pace
    this.credentials = new Credentials(token, pace.clock)
    this.#fetch = send
  }

  address(path: string): URL {
    return new URL(`v1/${path}`, this.#base)
  }

  /** Returns in how many ms the token is to be renewed. */
  welcomed({ expiresAt, ticket, duplicateWindowSeconds }: Welcome): number {
    if (duplicateWindowSeconds) this.duplicateWindowMs = duplicateWindowSeconds * 1000
    return this.credentials.learn(expiresAt, ticket)
  }

  /**
   * What `read` makes of the answer. A token that has expired is replaced once. Rejects with a
   * `TidegateError`, or with the reason of the signal.
   */
  async ask<Value>(
    request: GatewayRequest,
    read: (response: Response) => Promise<Value>,
  ): Promise<Value> {
    try {
      return await this.#askOnce(request, read)
    } catch (error) {
      if (!(error instanceof TidegateError) || error.code !== 'token_expired') throw error
      return await this.#askOnce(request, read)
    }
  }

  async #askOnce<Value>(
    { path, body, accept = '*/*', signal, withinMs = answerMsMax }: GatewayRequest,
    read: (response: Response) => Promise<Value>,
  ): Promise<Value> {
    const { clock } = this.pace
    const call = new Cancellation(signal)
    try {
      const credential = await call.until(this.credentials.get())
      call.cancelAfter(clock, withinMs, silentError())
      const headers: Record<string, string> = {
        accept,
        // Scheme and token: the names of schemes ignore case (RFC 9110 11.1).
        authorization: credential.replace('.', ' '),
      }
      const init: RequestInit = { headers, cache: 'no-store', signal: call.signal }
      if (body !== undefined) {
        headers['content-type'] = 'application/json'
        init.method = 'POST'
        init.body = body
      }
      const response = await call.until(this.#fetch(this.address(path), init))
      if (response.ok) return await call.until(read(response))
      if (response.status === 401) this.credentials.refuse(credential)
      throw readRefusal(response, await call.until(response.text()))
    } catch (error) {
      if (call.signal.aborted) throw call.signal.reason
      throw errorOf(error)
    } finally {
      call.end()
    }
  }
}
