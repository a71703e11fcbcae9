/** What is kept of a request: the engine's own object is gone when its callback returns. */
import type { HttpRequest, HttpResponse } from 'uWebSockets.js'

export interface Request {
  readonly method: string
  readonly query: URLSearchParams
  /** Lower-cased scheme and host of the page that asks; empty if no page does. */
  readonly origin: string
  readonly accept: string
  readonly authorization: string
  readonly lastEventId: string
  /** The client's address as text; for rate limits and logs. */
  readonly address: string
}

export function copyRequest(res: HttpResponse, req: HttpRequest, isProxied: boolean): Request {
  return {
    method: req.getMethod(),
    query: new URLSearchParams(req.getQuery()),
    origin: req.getHeader('origin'),
    accept: req.getHeader('accept'),
    authorization: req.getHeader('authorization'),
    lastEventId: req.getHeader('last-event-id'),
    address: addressOf(res, isProxied),
  }
}

/** With PROXY protocol the engine knows the address behind the balancer; empty without a header. */
export function addressOf(res: HttpResponse, isProxied: boolean): string {
  const proxied = isProxied ? Buffer.from(res.getProxiedRemoteAddressAsText()).toString() : ''
  return proxied !== '' ? proxied : Buffer.from(res.getRemoteAddressAsText()).toString()
}
