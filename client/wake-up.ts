/** When waiting is of no use any more, or a connection may be gone without a word. */
import type { Clock } from './clock.js'

const tickMs = 10_000

/**
 * The network is back, somebody looks at the page again, or the machine has slept. In Node there
 * are no events of the first two.
 * @param signal its abort ends it
 * @param run with whether a connection that is open may be gone
 */
export function onWakeUp(
  clock: Clock,
  signal: AbortSignal,
  run: (isSuspect: boolean) => void,
): void {
  globalThis.addEventListener?.('online', () => run(true), { signal })
  const page = globalThis.document as Document | undefined
  // It was frozen, and its streams may never be heard again.
  page?.addEventListener('resume', () => run(true), { signal })
  page?.addEventListener('visibilitychange', () => page.hidden || run(false), { signal })
  // A timer that comes much too late tells of a sleep; or of a tab that is throttled, and to ask
  // whether its connection lives costs little.
  let before = clock.now()
  let cancel: () => void
  const tick = (): void => {
    const isLate = clock.now() - before > tickMs * 2
    before = clock.now()
    cancel = clock.after(tickMs, tick)
    if (isLate) run(true)
  }
  tick()
  signal.addEventListener('abort', () => cancel())
}
