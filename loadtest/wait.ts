/** Waiting for a condition, with a bound. */

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Looks every `everyMs` until the condition holds; after `limitMs` it is an error. */
export async function waitFor(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs: number,
  everyMs = 20,
): Promise<void> {
  const endsAt = performance.now() + limitMs
  while (!(await condition())) {
    if (performance.now() > endsAt) throw new Error(`waited ${limitMs} ms for ${what}, in vain`)
    await pause(everyMs)
  }
}
