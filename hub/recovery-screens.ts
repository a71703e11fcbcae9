/** Asks for the newest publications of many channels: so many a request, a few at a time. */
import type { Channel } from '../shared/channel.js'
import type { History, Screened } from './history.js'
import { screenMax } from './history.js'

/** A channel's place among those to be screened. */
export interface ScreenTarget {
  readonly name: string
}

/**
 * Resolves when all are answered.
 * @param screened with undefined: no answer could be had for these
 */
export async function screenAll<Target extends ScreenTarget>(
  history: History,
  namespace: string,
  targets: readonly Target[],
  parallelMax: number,
  screened: (targets: readonly Target[], answer: Screened | undefined) => void,
): Promise<void> {
  let at = 0
  const work = async (): Promise<void> => {
    while (at < targets.length) {
      const some = targets.slice(at, at + screenMax)
      at += screenMax
      const channels = some.map(({ name }) => name as Channel)
      screened(some, await history.screen(namespace, channels))
    }
  }
  await Promise.all(Array.from({ length: parallelMax }, work))
}
