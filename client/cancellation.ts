/** Gives up what a call waits for: at its caller's signal, in time, or because the SDK closes. */
import type { Clock } from './clock.js'

/** `end()` it when the call is over: the caller's signal may outlive many calls. */
export class Cancellation {
  readonly #controller = new AbortController()
  readonly #parent: AbortSignal | undefined
  readonly #follow = () => this.cancel(this.#parent?.reason)

  /** @param parent its abort, with its reason, is one of this */
  constructor(parent?: AbortSignal) {
    this.#parent = parent
    if (parent?.aborted === true) this.#follow()
    else parent?.addEventListener('abort', this.#follow)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whoever waits is rejected with the reason. The first one counts. */
  cancel(reason: unknown): void {
    this.#controller.abort(reason)
  }

  end(): void {
    this.#parent?.removeEventListener('abort', this.#follow)
  }

  /** What the promise settles to, unless it is cancelled before. */
  async until<Value>(promise: Promise<Value>): Promise<Value> {
    const { signal } = this
    let stop: () => void = () => undefined
    const cancelled = new Promise<never>((_resolve, reject) => {
      stop = () => reject(signal.reason as Error)
      if (signal.aborted) stop()
      else signal.addEventListener('abort', stop)
    })
    try {
      return await Promise.race([cancelled, promise])
    } finally {
      signal.removeEventListener('abort', stop)
    }
  }

  async wait(clock: Clock, delayMs: number): Promise<void> {
    let cancelTimer: () => void = () => undefined
    const passed = new Promise<void>((resolve) => {
      cancelTimer = clock.after(delayMs, resolve)
    })
    try {
      await this.until(passed)
    } finally {
      cancelTimer()
    }
  }
}
