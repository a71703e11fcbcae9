/** Records what becomes of keys, and waits for conditions without sleeping. */
import type { KeyEvent } from '../jwks-source.js'

export class KeyEvents {
  readonly all: KeyEvent[] = []
  readonly record = (event: KeyEvent): void => {
    this.all.push(event)
  }

  /** Resolves when the last event is of this type. */
  async last(type: KeyEvent['type']): Promise<KeyEvent> {
    await until(() => this.all.at(-1)?.type === type, `an event ${type}`)
    return this.all.at(-1) as KeyEvent
  }

  ofType(type: KeyEvent['type']): number {
    return this.all.filter((event) => event.type === type).length
  }
}

/** Lets the event loop turn until the condition holds; fails after ten seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
