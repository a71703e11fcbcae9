/** Waits for a condition, and says which one when it does not come. */

/** As `until`, for what has to be asked. What cannot be asked yet is asked again. */
export async function untilAnswered<T>(
  ask: () => Promise<T | undefined | false>,
  patienceMs: number = 10_000,
): Promise<T> {
  const end = Date.now() + patienceMs
  for (;;) {
    let failure: unknown
    const value = await ask().catch((error: unknown) => void (failure = error))
    if (value !== undefined && value !== false) return value
    if (Date.now() > end) {
      throw new Error(`never came true: ${ask.toString()}`, { cause: failure })
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Resolves with the first value that is neither undefined nor false. */
export async function until<T>(
  condition: () => T | undefined | false,
  patienceMs: number = 10_000,
): Promise<T> {
  const end = Date.now() + patienceMs
  for (;;) {
    const value = condition()
    if (value !== undefined && value !== false) return value
    if (Date.now() > end) throw new Error(`never came true: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
