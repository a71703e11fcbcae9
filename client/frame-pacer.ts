/** Sends frames no faster than a gateway takes them: others are refused (PROTOCOL 12.1). */
import type { Clock } from './clock.js'

/** Of a gateway's defaults, 200 and 100, something is left to spare. */
export const burstMax = 150
export const perSecond = 80

export class FramePacer {
  readonly #clock: Clock
  readonly #send: (frame: object) => void
  readonly #waiting: object[] = []
  #budget = burstMax
  #cancel: (() => void) | undefined

  constructor(clock: Clock, send: (frame: object) => void) {
    this.#clock = clock
    this.#send = send
  }

  /** In order: at once, or when there is room. */
  send(frame: object): void {
    this.#waiting.push(frame)
    this.#run()
  }

  close(): void {
    this.#cancel?.()
    this.#cancel = () => undefined
    this.#waiting.length = 0
  }

  #run(): void {
    for (; this.#budget > 0 && this.#waiting.length > 0; this.#budget -= 1) {
      this.#send(this.#waiting.shift() as object)
    }
    if (this.#budget === burstMax) return
    this.#cancel ??= this.#clock.after(1000, () => {
      this.#cancel = undefined
      this.#budget = Math.min(burstMax, this.#budget + perSecond)
      this.#run()
    })
  }
}
