/** The delays of the last publications: the newest, the median and the 99th percentile. */

export interface DelaySummary {
  readonly currentMs: number
  readonly medianMs: number
  readonly p99Ms: number
}

const samplesMax = 500

export class DelayMeter {
  readonly #samples: number[] = []

  add(delayMs: number): void {
    this.#samples.push(delayMs)
    if (this.#samples.length > samplesMax) this.#samples.shift()
  }

  summary(): DelaySummary | undefined {
    const currentMs = this.#samples.at(-1)
    if (currentMs === undefined) return undefined
    const sorted = [...this.#samples].sort((a, b) => a - b)
    return { currentMs, medianMs: rank(sorted, 0.5), p99Ms: rank(sorted, 0.99) }
  }
}

/** Nearest rank: always a delay that was measured. */
function rank(sorted: readonly number[], part: number): number {
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0
}
