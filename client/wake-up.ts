/** When waiting is of no use any more, or a connection may be gone without a word. */
import type { Clock } from './clock.js'

const tickMs = 10_000

/**
 * The network is back, somebody looks at the page again, or the machine has slept. In Node there
 * are no events of the first two. Returns what stops it.
 * @param run with whether a connection that is open may be gone
 */
export function onWakeUp(clock: Clock, run: (isSuspect: boolean) => void): () => void {
  const online = (): void => run(true)
  const seen = (): void => {
    if (document.visibilityState !== 'hidden') run(false)
  }
  let cancel: () => void
  // A timer that comes much too late tells of a sleep; or of a tab that is throttled, and to ask
  // whether its connection lives costs little.
  const tick = (before: number): void => {
    const now = clock.now()
    if (now - before > tickMs * 2) run(true)
    cancel = clock.after(tickMs, () => tick(now))
  }
  tick(clock.now())
  const page = globalThis.document as Document | undefined
  globalThis.addEventListener?.('online', online)
  page?.addEventListener('visibilitychange', seen)
  return () => {
    cancel()
    globalThis.removeEventListener?.('online', online)
    page?.removeEventListener('visibilitychange', seen)
  }
}
