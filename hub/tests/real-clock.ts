/** The real time, for tests against a real nats-server. */
import type { Clock } from '../clock.js'

export const realClock: Clock = {
  now: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs).unref()
    return () => clearTimeout(timer)
  },
}
