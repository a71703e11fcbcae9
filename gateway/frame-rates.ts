/** How many frames a connection may send: made when its first frame comes, as most send few. */
import type { NodeSettings } from './node.js'
import { TokenBucket } from './rate-limit.js'

/** Verifying a token and checking every subscription against it costs more than other frames. */
const refreshesPerSecondMax = 1
const refreshesBurstMax = 10
const answerEveryMs = 1000

export class FrameRates {
  readonly #settings: NodeSettings
  readonly #frames: TokenBucket
  #refreshes: TokenBucket | undefined = undefined
  #answeredAt = 0

  constructor(settings: NodeSettings, now: number) {
    this.#settings = settings
    this.#frames = new TokenBucket(settings.framesBurstMax, now)
  }

  takeFrame(now: number): boolean {
    const { framesPerSecondMax, framesBurstMax } = this.#settings
    return this.#frames.take(framesPerSecondMax, framesBurstMax, now)
  }

  takeRefresh(now: number): boolean {
    this.#refreshes ??= new TokenBucket(refreshesBurstMax, now)
    return this.#refreshes.take(refreshesPerSecondMax, refreshesBurstMax, now)
  }

  /** Refusals are answered once a second; the rest is only counted (PROTOCOL 4.17). */
  takeAnswer(now: number): boolean {
    if (now - this.#answeredAt < answerEveryMs) return false
    this.#answeredAt = now
    return true
  }
}
