/** Medians and percentiles of what was measured. */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]
  if (upper === undefined) throw new Error('the median of nothing')
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] as number)) / 2
}

/** The smallest value that at least `fraction` of all values do not exceed (nearest rank). */
export function percentile(sorted: Uint32Array, fraction: number): number {
  const rank = Math.max(1, Math.ceil(fraction * sorted.length))
  const value = sorted[rank - 1]
  if (value === undefined) throw new Error('a percentile of nothing')
  return value
}
