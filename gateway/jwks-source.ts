/** What is held of a key set that is read again and again; reports changes of its state only. */
import { parseJwks } from './jwks.js'
import { keysTriedMax, type KeySet } from './key-set.js'

/** What becomes of the keys, for the logs. `source` is a file or an address. */
export type KeyEvent =
  | { readonly type: 'keys_loaded'; readonly source: string; readonly keys: number }
  | {
      readonly type: 'key_skipped'
      readonly source: string
      readonly kid: string | undefined
      readonly reason: string
    }
  /** The keys from before stay in force: `kept` of them. */
  | {
      readonly type: 'keys_failed'
      readonly source: string
      readonly kept: number
      readonly message: string
    }

export type OnKeyEvent = (event: KeyEvent) => void

export class JwksSource {
  readonly #name: string
  readonly #keys: KeySet
  readonly #onEvent: OnKeyEvent
  /** The text in force. Undefined: none has been good yet. */
  #text: string | undefined
  #count = 0
  #failure: string | undefined

  constructor(name: string, keys: KeySet, onEvent: OnKeyEvent) {
    this.#name = name
    this.#keys = keys
    this.#onEvent = onEvent
  }

  get isLoaded(): boolean {
    return this.#text !== undefined
  }

  /** Why the last attempt failed, if it did. */
  get failure(): string | undefined {
    return this.#failure
  }

  /** Never rejects. */
  async accept(text: string): Promise<void> {
    if (text === this.#text && this.#failure === undefined) return
    try {
      const jwks = await parseJwks(text)
      const untried = this.#keys.replace(this.#name, jwks)
      this.#text = text
      this.#count = jwks.keys.length - untried.length
      this.#failure = undefined
      const reason = `it has no name of its own, and ${keysTriedMax} others stand before it`
      for (const skipped of [...jwks.skipped, ...untried.map(({ kid }) => ({ kid, reason }))]) {
        this.#onEvent({ type: 'key_skipped', source: this.#name, ...skipped })
      }
      this.#onEvent({ type: 'keys_loaded', source: this.#name, keys: this.#count })
    } catch (cause) {
      this.fail((cause as Error).message)
    }
  }

  /** Repeated failures of one kind are one event. */
  fail(message: string): void {
    if (message === this.#failure) return
    this.#failure = message
    this.#onEvent({ type: 'keys_failed', source: this.#name, kept: this.#count, message })
  }
}
