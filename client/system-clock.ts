/** The platform's own time: the one place of the client where timers are made. */
import type { Clock } from './clock.js'

/** Timers hold a signed 32-bit count of ms and fire at once beyond it. */
const delayMsMax = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, Math.min(delayMs, delayMsMax))
    return () => clearTimeout(timer)
  },
}
