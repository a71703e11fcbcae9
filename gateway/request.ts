/** What is kept of a request: the engine's own object is gone when its callback returns. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import { headerBytesMax } from './engine.js'

/** Two spaces, `?`, `HTTP/1.1` and two line ends; in a header a colon, a space and a line end. */
const fixedBytes = 15
const headerFixedBytes = 4

export interface Request {
  readonly method: string
  readonly query: URLSearchParams
  /** Scheme and host of the page that asks; empty if no page does. */
  readonly origin: string
  readonly accept: string
  readonly authorization: string
  readonly lastEventId: string
  /** The client's address as text; asked for within the engine's callback, for rate limits. */
  readonly address: () => string
}

export function copyRequest(res: HttpResponse, req: HttpRequest, isProxied: boolean): Request {
  return {
    method: req.getMethod(),
    query: new URLSearchParams(req.getQuery()),
    origin: req.getHeader('origin'),
    accept: req.getHeader('accept'),
    authorization: req.getHeader('authorization'),
    lastEventId: req.getHeader('last-event-id'),
    address: () => addressOf(res, isProxied),
  }
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
