/** A key set at an address: fetched at start, in the background, and when a key is missing. */
import type { Clock } from '../hub/clock.js'
import { JwksSource, type OnKeyEvent } from './jwks-source.js'
import { jwksBytesMax } from './jwks.js'
import type { DistantKeys, KeySet } from './key-set.js'

export const jwksRefreshMs = 600_000
/** Between the starts of two fetches: forged key names cannot make us flood the issuer. */
export const jwksCooldownMs = 30_000
export const jwksTimeoutMs = 5_000

export class JwksUrl implements DistantKeys {
  readonly #url: URL
  readonly #clock: Clock
  readonly #source: JwksSource
  /** Of the fetch that is under way. */
  #abort: AbortController | undefined
  #isClosed = false
  #fetchedAt = -Infinity
  /** When the next fetch is due; one at a time is planned. */
  #nextAt = Infinity
  #cancel: () => void = () => undefined

  constructor(url: URL, keys: KeySet, clock: Clock, onEvent: OnKeyEvent) {
    this.#url = url
    this.#clock = clock
    // Without user, password and query: the name goes into the logs.
    this.#source = new JwksSource(`${url.origin}${url.pathname}`, keys, onEvent)
    keys.distant = this
  }

  get isLoaded(): boolean {
    return this.#source.isLoaded
  }

  /** Resolves when the first attempt has ended, whichever way. */
  async open(): Promise<void> {
    await this.#fetch()
  }

  close(): void {
    this.#isClosed = true
    this.#abort?.abort()
    this.#cancel()
  }

  /** Fetches now, or at the end of the cooldown; many calls are one fetch. */
  want(): void {
    if (this.#abort !== undefined || this.#isClosed) return
    const now = this.#clock.now()
    // The clock may have been set back: never wait longer than one cooldown.
    const waitMs = Math.min(this.#fetchedAt + jwksCooldownMs - now, jwksCooldownMs)
    if (waitMs <= 0) void this.#fetch()
    else if (now + waitMs < this.#nextAt) this.#plan(waitMs)
  }

  #plan(delayMs: number): void {
    this.#cancel()
    this.#nextAt = this.#clock.now() + delayMs
    this.#cancel = this.#clock.after(delayMs, () => void this.#fetch())
  }

  /** Never rejects. */
  async #fetch(): Promise<void> {
    this.#cancel()
    const abort = (this.#abort = new AbortController())
    this.#fetchedAt = this.#clock.now()
    this.#cancel = this.#clock.after(jwksTimeoutMs, () =>
      abort.abort(new Error(`no answer within ${jwksTimeoutMs} ms`)),
    )
    try {
      await this.#source.accept(await readText(this.#url, abort.signal))
    } catch (cause) {
      if (!this.#isClosed) this.#source.fail(explain(cause))
    }
    // Ends an answer of which not all was read.
    abort.abort()
    this.#abort = undefined
    this.#cancel()
    if (this.#isClosed) return
    this.#plan(this.#source.failure === undefined ? jwksRefreshMs : jwksCooldownMs)
  }
}

async function readText(url: URL, signal: AbortSignal): Promise<string> {
  const response = await fetch(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    redirect: 'manual',
    signal,
  })
  if (response.status !== 200) throw new Error(`the answer has status ${response.status}, not 200`)
  return readBounded(response)
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > jwksBytesMax) throw new Error(`the answer is longer than ${jwksBytesMax} bytes`)
    chunks.push(chunk)
  }
  return new TextDecoder().decode(Buffer.concat(chunks))
}

/** fetch says only "fetch failed"; why is in its cause. */
function explain(error: unknown): string {
  const { cause, message } = error as Error
  if (!(cause instanceof Error)) return message
  return cause.message || String((cause as NodeJS.ErrnoException).code)
}
