/** The one place of the gateway that reads the time and sets timers. */
import type { Clock } from '../hub/clock.js'

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, run) {
    if (delayMs === 0) return nextTurn(run)
    const timer = setTimeout(run, delayMs)
    timer.unref()
    return () => clearTimeout(timer)
  },
}

/** A timer of 0 ms may run again and again before any socket is read. */
function nextTurn(run: () => void): () => void {
  const immediate = setImmediate(run)
  immediate.unref()
  return () => clearImmediate(immediate)
}
