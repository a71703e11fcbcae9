/** A worker has no application that it could ask for a token: one of its tabs has. */
import type { Clock } from './clock.js'

/** Whoever has not answered by then may be frozen, or gone: another one is asked as well. */
const askNextAfterMs = 3_000

export class TokenRelay {
  readonly #clock: Clock
  readonly #ask: (tab: string) => void
  #answer: ((tab: string, token: string | undefined) => void) | undefined

  constructor(clock: Clock, ask: (tab: string) => void) {
    this.#clock = clock
    this.#ask = ask
  }

  /**
   * The first token that comes; rejects when no tab has one. If none of them answers it is the
   * caller who loses patience.
   * @param tabs in the order in which they are asked
   */
  token(tabs: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const waiting = [...tabs]
      const asked = new Set<string>()
      let cancel = (): void => undefined
      const askNext = (): void => {
        cancel()
        const tab = waiting.shift()
        if (tab !== undefined) {
          asked.add(tab)
          cancel = this.#clock.after(askNextAfterMs, askNext)
          this.#ask(tab)
        } else if (asked.size === 0) reject(new Error('no tab has a token'))
      }
      this.#answer = (tab, token) => {
        if (!asked.delete(tab)) return
        if (token === undefined) return askNext()
        cancel()
        resolve(token)
      }
      askNext()
    })
  }

  answer(tab: string, token: string | undefined): void {
    this.#answer?.(tab, token)
  }
}
