/** The one place of the gateway that reads the time and sets timers. */
import type { Clock } from '../hub/clock.js'

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}
