/** Which web origins may use this gateway, for CORS and for the WebSocket upgrade alike. */
import type { HttpResponse } from 'uWebSockets.js'

export class Origins {
  readonly #any: boolean
  readonly #allowed: ReadonlySet<string>

  /** `*` allows any origin. */
  constructor(allowed: readonly string[]) {
    this.#any = allowed.includes('*')
    this.#allowed = new Set(allowed.map((origin) => origin.toLowerCase()))
  }

  /** A request without `Origin` is not from a page: nothing to protect it from. */
  allows(origin: string): boolean {
    return origin === '' || this.#any || this.#allowed.has(origin.toLowerCase())
  }

  /** Writes the CORS headers of an answer (PROTOCOL 8). Call it after `writeStatus`. */
  writeHeaders(res: HttpResponse, origin: string): void {
    if (origin === '' || !this.allows(origin)) return
    res.writeHeader('Access-Control-Allow-Origin', origin)
    res.writeHeader('Access-Control-Expose-Headers', 'Retry-After')
    res.writeHeader('Vary', 'Origin')
  }
}
