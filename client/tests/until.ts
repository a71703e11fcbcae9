/** Waits for a condition, in place of sleeping. */
import { setImmediate } from 'node:timers/promises'

export async function until(isTrue: () => boolean, withinMs = 5_000): Promise<void> {
  const end = Date.now() + withinMs
  while (!isTrue()) {
    if (Date.now() > end) throw new Error(`not true within ${withinMs} ms: ${isTrue}`)
    await setImmediate()
  }
}
