/** Asks the gateway by plain HTTP, when a transport fails, whether it is the transport's fault. */
import { requestChannelsMax } from './event-stream-connection.js'
import type { Gateway } from './gateway.js'
import type { TidegateError } from './tidegate-error.js'

/**
 * `works`: the gateway answers, even if it refuses what was asked. `unreachable`: nobody does, or
 * something that is no gateway. Else what it says to all: to wait, or that the token is no good.
 */
export type ProbeAnswer = 'works' | 'unreachable' | TidegateError

export type Probe = (channels: readonly string[], signal: AbortSignal) => Promise<ProbeAnswer>

/** Only the application can mend these. */
const fatal = /^(token_missing|token_invalid|origin_refused)$/

/** A short poll from now, whose answer nobody reads: nothing is lost by it. */
export async function probe(
  gateway: Gateway,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  // More would be refused, which says nothing of the transport.
  const channels = names.slice(0, requestChannelsMax)
  const body = JSON.stringify({ channels, wait: 0 })
  try {
    return await gateway.ask({ path: 'events', body, signal }, async (response) => {
      const isOurs = response.status === 204 || (await response.text()).includes('"cursor"')
      return isOurs ? 'works' : 'unreachable'
    })
  } catch (error) {
    const refusal = error as TidegateError
    // Without a code of ours it is a page of what stands between us and the gateway.
    if (refusal.status === undefined || refusal.code.startsWith('http_')) return 'unreachable'
    return refusal.retryable || fatal.test(refusal.code) ? refusal : 'works'
  }
}
