/** The prices that have arrived, on one time axis that goes on when the replay begins anew. */
import type { StockPrice } from './stock-price.js'

export interface PricePoint {
  /** Months on the axis: rises by one a month, and by a few where the replay begins anew. */
  readonly step: number
  readonly price: number
}

export interface YearMark {
  readonly step: number
  readonly year: number
}

const pointsMax = 150
const restartSteps = 3
/** A date so far back is not a late publication but a new round of the replay. */
const restartMonths = 6

export class PriceHistory {
  readonly lines: ReadonlyMap<string, readonly PricePoint[]>
  /** Where each January lies. */
  readonly years: YearMark[] = []
  readonly firstStep = 0
  /** The newest step of all lines; undefined before the first price. */
  latestStep: number | undefined
  readonly #lines: Map<string, PricePoint[]>
  #latestMonth = 0
  /** What makes a step of a month. */
  #shift = 0

  constructor(symbols: readonly string[]) {
    this.#lines = new Map(symbols.map((symbol) => [symbol, []]))
    this.lines = this.#lines
  }

  add({ symbol, date, price }: StockPrice): void {
    const line = this.#lines.get(symbol)
    const [year = 0, month = 0] = date.split('-').map(Number)
    if (line === undefined || !(price > 0) || !(year > 0)) return
    const step = this.#stepOf(year * 12 + month - 1)
    const last = line.at(-1)
    if (last !== undefined && last.step >= step) return // a late one: the line does not go back
    line.push({ step, price })
    if (line.length > pointsMax) line.shift()
    if (month === 1 && this.years.at(-1)?.step !== step) this.years.push({ step, year })
    if (this.years.length > pointsMax / 12 + 2) this.years.shift()
  }

  #stepOf(month: number): number {
    if (this.latestStep === undefined) {
      this.#shift = -month
    } else if (month < this.#latestMonth - restartMonths) {
      this.#shift = this.latestStep + restartSteps - month
      this.#latestMonth = month
    }
    this.#latestMonth = Math.max(this.#latestMonth, month)
    const step = month + this.#shift
    this.latestStep = Math.max(this.latestStep ?? step, step)
    return step
  }
}

/** Cuts a line where months are missing, so that what was lost is seen. */
export function unbroken(points: readonly PricePoint[]): PricePoint[][] {
  const pieces: PricePoint[][] = []
  let previous: PricePoint | undefined
  for (const point of points) {
    if (previous === undefined || point.step - previous.step > 1) pieces.push([])
    pieces.at(-1)?.push(point)
    previous = point
  }
  return pieces
}
