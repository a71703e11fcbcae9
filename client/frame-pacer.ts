/** Sends frames no faster than a gateway takes them: others are refused (PROTOCOL 12.1). */
import type { Clock } from './clock.js'

/** Of a gateway's defaults, 200 and 100, something is left to spare. */
const burstMax = 150
const perSecond = 80

export class FramePacer {
  readonly #clock: Clock
  readonly #send: (frame: object) => void
  readonly #waiting: object[] = []
  #budget = burstMax
  #budgetAt: number
  #cancel: () => void = () => undefined

  constructor(clock: Clock, send: (frame: object) => void) {
    this.#clock = clock
    this.#send = send
    this.#budgetAt = clock.now()
  }

  /** In order: at once, or when there is room. */
  send(frame: object): void {
    if (this.#waiting.push(frame) === 1) this.#run()
  }

  close(): void {
    this.#cancel()
    this.#waiting.length = 0
  }

  #run(): void {
    const now = this.#clock.now()
    const earned = (Math.max(0, now - this.#budgetAt) / 1000) * perSecond
    this.#budget = Math.min(burstMax, this.#budget + earned)
    this.#budgetAt = now
    while (this.#budget >= 1) {
      const next = this.#waiting[0]
      if (next === undefined) return
      this.#budget -= 1
      this.#send(next)
      this.#waiting.shift()
    }
    this.#cancel = this.#clock.after(1000 / perSecond, () => this.#run())
  }
}
