/** How every request to the gateway but an event stream is made: the token travels in a header. */

export interface RequestParts {
  readonly method: 'GET' | 'POST'
  readonly token: string
  /** JSON. */
  readonly body?: string
}

export function requestInit({ method, token, body }: RequestParts): RequestInit {
  const headers: Record<string, string> = { authorization: `Bearer ${token}` }
  if (body === undefined) return { method, headers, cache: 'no-store' }
  headers['content-type'] = 'application/json'
  return { method, headers, body, cache: 'no-store' }
}
