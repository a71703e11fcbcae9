/** Asks the gateway by plain HTTP, when a transport fails, whether it is the transport's fault. */
import { limits } from '../shared/limits.js'
import type { Clock } from './clock.js'
import { eventsUrl } from './events-url.js'
import { readRefusal, type Refusal } from './refusal.js'
import { requestInit } from './request-init.js'

/**
 * `works`: the gateway answers, even if it refuses what was asked. `unreachable`: nobody does, or
 * something that is no gateway. Else what it says to all: to wait, or that the token is no good.
 */
export type ProbeAnswer = 'works' | 'unreachable' | Refusal

export type Probe = (channels: readonly string[]) => Promise<ProbeAnswer>

const answerWithinMs = 10_000
/** Only the application can mend these. */
const fatal: ReadonlySet<string> = new Set(['token_missing', 'token_invalid', 'origin_refused'])

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
      // More than a poll may name would be refused, which says nothing of the transport.
      const some = channels.slice(0, limits.requestChannelsMax)
      const body = JSON.stringify({ channels: some, wait: 0 })
      const init = requestInit({ method: 'POST', token: await token(), body })
      const response = await fetch(eventsUrl(url), { ...init, signal: abort.signal })
      return answerOf(response, await response.text(), clock.now())
    } catch {
      return 'unreachable'
    } finally {
      cancel()
    }
  }
}

function answerOf(response: Response, body: string, now: number): ProbeAnswer {
  if (response.status === 204) return 'works'
  if (response.ok) return body.includes('"cursor"') ? 'works' : 'unreachable'
  const refusal = readRefusal(response, body, now)
  // Without a code of ours it is a page of what stands between us and the gateway.
  if (refusal.code.startsWith('http_')) return 'unreachable'
  return refusal.retryable || fatal.has(refusal.code) ? refusal : 'works'
}
