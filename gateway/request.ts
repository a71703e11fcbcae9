/** What is kept of a request: the engine's own object is gone when its callback returns. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import { headerBytesMax } from './engine.js'
import type { Problem } from './problem.js'

/** Two spaces, `?`, `HTTP/1.1` and two line ends; in a header a colon, a space and a line end. */
const fixedBytes = 15
const headerFixedBytes = 4
/** Separators between the parameters of a query; the protocol knows five. */
const parametersMax = 31

export interface Request {
  readonly method: string
  readonly query: URLSearchParams
  /** Its query has more parameters than anybody needs, and has not been read. */
  readonly hasManyParameters: boolean
  /** Scheme and host of the page that asks; empty if no page does. */
  readonly origin: string
  readonly accept: string
  readonly upgrade: string
  readonly authorization: string
  readonly lastEventId: string
  /** The client's address as text; asked for within the engine's callback, for rate limits. */
  readonly address: () => string
}

export function copyRequest(res: HttpResponse, req: HttpRequest, isProxied: boolean): Request {
  const query = (req.getQuery() as string | undefined) ?? ''
  const hasManyParameters = hasMore(query, '&', parametersMax)
  return {
    method: req.getMethod(),
    query: new URLSearchParams(hasManyParameters ? '' : query),
    hasManyParameters,
    origin: req.getHeader('origin'),
    accept: req.getHeader('accept'),
    upgrade: req.getHeader('upgrade'),
    authorization: req.getHeader('authorization'),
    lastEventId: req.getHeader('last-event-id'),
    address: () => addressOf(res, isProxied),
  }
}

export const manyParameters: Problem = {
  code: 'bad_request',
  detail: `A query has at most ${parametersMax + 1} parameters.`,
}

/** Looked at before a text is split: each piece costs, and no token is needed to send thousands. */
export function hasMore(text: string, separator: string, max: number): boolean {
  let count = 0
  for (let at = text.indexOf(separator); at !== -1; at = text.indexOf(separator, at + 1)) {
    count += 1
    if (count > max) return true
  }
  return false
}

/**
 * Whether request line and headers are more than a request may have (PROTOCOL 12.2). The engine has
 * the same limit, but counts only what comes in more than one segment.
 */
export function isOverlong(req: HttpRequest): boolean {
  // The type promises a query; where there is none, the older build has nothing.
  const query = req.getQuery() as string | undefined
  let bytes = req.getMethod().length + req.getUrl().length + (query?.length ?? 0) + fixedBytes
  req.forEach((name, value) => {
    bytes += name.length + value.length + headerFixedBytes
  })
  return bytes > headerBytesMax
}

/** With PROXY protocol the engine knows the address behind the balancer; empty without a header. */
export function addressOf(res: HttpResponse, isProxied: boolean): string {
  const proxied = isProxied ? Buffer.from(res.getProxiedRemoteAddressAsText()).toString() : ''
  return proxied !== '' ? proxied : Buffer.from(res.getRemoteAddressAsText()).toString()
}
