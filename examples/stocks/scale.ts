/** The scales of the chart: months to pixels, prices to pixels by their logarithm. */

export interface Frame {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

export type Scale = (value: number) => number

/** The newest step lies at the right edge, and so many steps fit to the left of it. */
export function stepScale(frame: Frame, edge: number, steps: number): Scale {
  const width = (frame.right - frame.left) / steps
  return (step) => frame.right - (edge - step) * width
}

export interface PriceAxis {
  readonly toY: Scale
  readonly ticks: readonly number[]
}

/** Prices differ by a factor of a hundred: on a linear axis the small ones would lie flat. */
export function priceAxis(frame: Frame, lowest: number, highest: number): PriceAxis {
  const ticks = roundPrices(lowest, highest)
  const low = Math.log(ticks[0] ?? 1)
  const high = Math.log(ticks.at(-1) ?? 10)
  const perUnit = (frame.bottom - frame.top) / (high - low)
  return { toY: (price) => frame.bottom - (Math.log(price) - low) * perUnit, ticks }
}

/** 1, 2, 5, 10, 20, 50 …: as many as it takes to have the lowest and the highest between them. */
function roundPrices(lowest: number, highest: number): number[] {
  const steps: number[] = []
  for (let power = -2; power <= 6; power++) {
    for (const digit of [1, 2, 5]) steps.push(Number(`${digit}e${power}`))
  }
  const from = steps.findLastIndex((step) => step <= lowest)
  const to = steps.findIndex((step) => step >= highest)
  const ticks = steps.slice(Math.max(0, from), to === -1 ? undefined : to + 1)
  return ticks.length > 1 ? ticks : [lowest / 2, lowest * 2]
}

/** Moves labels apart until they are `gap` from each other, keeping their order. */
export function spread(positions: readonly number[], gap: number, lowest: number): number[] {
  const order = positions.map((_, at) => at).sort((a, b) => position(a) - position(b))
  const placed = [...positions]
  function position(at: number): number {
    return positions[at] ?? 0
  }
  let free = -Infinity
  for (const at of order) {
    placed[at] = Math.max(position(at), free)
    free = (placed[at] ?? 0) + gap
  }
  let ceiling = lowest
  for (const at of order.reverse()) {
    placed[at] = Math.min(placed[at] ?? 0, ceiling)
    ceiling = (placed[at] ?? 0) - gap
  }
  return placed
}
