/** Gives up what a call waits for: at its caller's signal, in time, or because the SDK closes. */
import type { Clock } from './clock.js'
import { onAbort } from './on-abort.js'

/** `end()` it when the call is over: the caller's signal may outlive many calls. */
export class Cancellation {
  readonly #controller = new AbortController()
  /** Forgets the parent: to be called when the call is over. */
  readonly end: () => void

  /** @param parent its abort, with its reason, is one of this */
  constructor(parent?: AbortSignal) {
    this.end = onAbort(parent, () => this.cancel(parent?.reason))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whoever waits is rejected with the reason. The first one counts. */
  cancel(reason: unknown): void {
    this.#controller.abort(reason)
  }

  /** What the promise settles to, unless it is cancelled before. */
  async until<Value>(promise: Promise<Value>): Promise<Value> {
    const { signal } = this
    let forget: () => void = () => undefined
    const cancelled = new Promise<never>((_resolve, reject) => {
      forget = onAbort(signal, () => reject(signal.reason as Error))
    })
    try {
      return await Promise.race([cancelled, promise])
    } finally {
      forget()
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
