/** Asks the gateway by plain HTTP, when a transport fails, whether it is the transport's fault. */
import type { Clock } from './clock.js'
import { eventsUrl } from './events-url.js'
import { readRefusal, type Refusal } from './refusal.js'

/** `works`: the gateway answers. `unreachable`: nobody does. Else what the gateway says. */
export type ProbeAnswer = 'works' | 'unreachable' | Refusal

export type Probe = (channels: readonly string[]) => Promise<ProbeAnswer>

const answerWithinMs = 10_000

export interface ProbeOptions {
  readonly url: string
  readonly token: () => Promise<string>
  readonly clock: Clock
  readonly fetch?: typeof globalThis.fetch
}

/** A short poll without a cursor, whose answer nobody reads: nothing is lost by it. */
export function httpProbe({ url, token, clock, fetch = globalThis.fetch }: ProbeOptions): Probe {
  return async (channels) => {
    const abort = new AbortController()
    const cancel = clock.after(answerWithinMs, () => abort.abort())
    try {
      const response = await fetch(eventsUrl(url), {
        method: 'POST',
        headers: { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' },
        body: JSON.stringify({ channels, wait: 0 }),
        cache: 'no-store',
        signal: abort.signal,
      })
      const body = await response.text()
      return response.ok ? 'works' : readRefusal(response, body, clock.now())
    } catch {
      return 'unreachable'
    } finally {
      cancel()
    }
  }
}
