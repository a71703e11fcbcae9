/** Waits for a condition, and says which one when it does not come. */

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
