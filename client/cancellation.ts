/** Gives up what a call waits for: at its caller's signal, in time, or because the SDK closes. */
import type { Clock } from './clock.js'
import { onAbort } from './on-abort.js'

/** `end()` it when the call is over: the caller's signal may outlive many calls. */
export class Cancellation {
  readonly #controller = new AbortController()
  readonly #undo: (() => void)[]

  /** @param parents the abort of one, with its reason, is one of this */
  constructor(...parents: readonly (AbortSignal | undefined)[]) {
    this.#undo = parents.map((parent) => onAbort(parent, () => this.cancel(parent?.reason)))
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Whoever waits is rejected with the reason. The first one counts. */
  cancel(reason: unknown): void {
    this.#controller.abort(reason)
  }

  /** Cancels it, unless it has ended by then. */
  cancelAfter(clock: Clock, delayMs: number, reason: unknown): void {
    this.#undo.push(clock.after(delayMs, () => this.cancel(reason)))
  }

  /** Forgets parents and time. */
  end(): void {
    for (const undo of this.#undo) undo()
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
