/** Token buckets: so many at once, so many a second. */

export class TokenBucket {
  #tokens: number
  #at: number

  constructor(burstMax: number, now: number) {
    this.#tokens = burstMax
    this.#at = now
  }

  take(perSecondMax: number, burstMax: number, now: number): boolean {
    const refill = (Math.max(now - this.#at, 0) / 1000) * perSecondMax
    this.#tokens = Math.min(this.#tokens + refill, burstMax)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}

/** One bucket for each key (an address, a subject), as many as `keysMax`; the oldest makes room. */
export class KeyedRateLimit {
  readonly #perSecondMax: number
  readonly #burstMax: number
  readonly #keysMax: number
  readonly #buckets = new Map<string, TokenBucket>()

  constructor(perSecondMax: number, burstMax: number, keysMax: number) {
    this.#perSecondMax = perSecondMax
    this.#burstMax = burstMax
    this.#keysMax = keysMax
  }

  take(key: string, now: number): boolean {
    let bucket = this.#buckets.get(key)
    if (bucket === undefined) {
      bucket = new TokenBucket(this.#burstMax, now)
      if (this.#buckets.size >= this.#keysMax) {
        for (const oldest of this.#buckets.keys()) {
          this.#buckets.delete(oldest)
          break
        }
      }
    }
    // Put back at the end: a key in use is not the oldest.
    this.#buckets.delete(key)
    this.#buckets.set(key, bucket)
    return bucket.take(this.#perSecondMax, this.#burstMax, now)
  }
}
