/** How long a client waits before it tries again: exponential with full jitter (PROTOCOL 10). */

/** The bound of the first wait. Wide: after a node died, thousands draw from it at once. */
export const backoffFirstMsMax = 1_000
export const backoffMsMax = 30_000

/**
 * Uniform between 0 and a bound that doubles with each attempt, so that those who lost their
 * connection together do not come back together.
 * @param attempt 0 for the first try after a connection that worked
 * @param random in [0, 1)
 */
export function backoffMs(attempt: number, random: number): number {
  return Math.floor(random * Math.min(backoffMsMax, backoffFirstMsMax * 2 ** attempt))
}
