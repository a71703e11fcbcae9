/** Waits for a condition, and says which one when it does not come. */

/** As `until`, for what has to be asked: the question is put again once it is answered. */
export async function untilAnswered<T>(
  ask: () => Promise<T | undefined | false>,
  patienceMs: number = 10_000,
): Promise<T> {
  let answer: T | undefined | false
  let isAsking = false
  return until(() => {
    if (!isAsking && (answer === undefined || answer === false)) {
      isAsking = true
      void ask().then((given) => {
        answer = given
        isAsking = false
      })
    }
    return answer
  }, patienceMs)
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
