/** Records what becomes of keys, and waits for conditions. */
import type { KeyEvent } from '../jwks-source.js'

export class KeyEvents {
  readonly all: KeyEvent[] = []
  readonly record = (event: KeyEvent): void => {
    this.all.push(event)
  }

  ofType(type: KeyEvent['type']): number {
    return this.all.filter((event) => event.type === type).length
  }
}

/** Looks every other millisecond until the condition holds; fails after ten seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
