/** A token provider that is asked once at a time, whoever wants a token meanwhile. */

export function sharedToken(provider: () => Promise<string> | string): () => Promise<string> {
  let pending: Promise<string> | undefined
  return () => {
    pending ??= ask(provider).finally(() => (pending = undefined))
    return pending
  }
}

/** What it throws at once is a rejection, too. */
async function ask(provider: () => Promise<string> | string): Promise<string> {
  return provider()
}
