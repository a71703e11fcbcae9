/** A token provider that is asked once at a time, whoever wants a token meanwhile. */
import type { Clock } from './clock.js'

const answerWithinMs = 30_000

export function sharedToken(
  provider: () => Promise<string> | string,
  clock: Clock,
): () => Promise<string> {
  let pending: Promise<string> | undefined
  return () => {
    pending ??= ask(provider, clock).finally(() => (pending = undefined))
    return pending
  }
}

/** What it throws at once is a rejection, too; and one that never answers keeps nobody waiting. */
function ask(provider: () => Promise<string> | string, clock: Clock): Promise<string> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(answerWithinMs, () => {
      reject(new Error(`the token provider has not answered within ${answerWithinMs / 1000} s`))
    })
    const asked = (async () => provider())()
    asked.then(resolve, reject).finally(cancel)
  })
}
