/** The prices that have arrived, on one time axis that goes on when the replay begins anew. */
import type { StockPrice } from './stock-price.js'

export interface PricePoint {
  /** Months on the axis: rises by one a month, and by a few where the replay begins anew. */
  readonly step: number
  readonly price: number
  /** The absence after which it came out of the history; 0: it came live. */
  readonly absence: number
}

export interface YearMark {
  readonly step: number
  readonly year: number
}

interface Line {
  readonly points: PricePoint[]
  lastMonth: number
  round: number
}

/** One run of the replay through its months. */
interface Round {
  /** `sentAt` of the first price in it that has arrived. */
  beganAt: number
  /** What makes a step of a month. */
  readonly shift: number
}

const pointsMax = 150
const roundsMax = 20
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
  readonly #lines: Map<string, Line>
  readonly #rounds: Round[] = []
  /** Rounds that are forgotten. */
  #dropped = 0

  constructor(symbols: readonly string[]) {
    const lines = symbols.map((symbol): [string, Line] => {
      return [symbol, { points: [], lastMonth: 0, round: 0 }]
    })
    this.#lines = new Map(lines)
    this.lines = new Map(lines.map(([symbol, { points }]) => [symbol, points]))
  }

  add({ symbol, date, price, sentAt }: StockPrice, absence = 0): void {
    const line = this.#lines.get(symbol)
    const [year = 0, month = 0] = date.split('-').map(Number)
    if (line === undefined || !(price > 0) || !(year > 0)) return
    const step = this.#stepOf(line, year * 12 + month - 1, sentAt)
    const { points } = line
    const last = points.at(-1)
    if (last !== undefined && last.step >= step) return // a late one: the line does not go back
    points.push({ step, price, absence })
    if (points.length > pointsMax) points.shift()
    if (month === 1 && !this.years.some((mark) => mark.step === step)) {
      this.years.push({ step, year })
    }
    if (this.years.length > pointsMax / 12 + 2) this.years.shift()
  }

  #stepOf(line: Line, month: number, sentAt: number): number {
    line.round = this.#roundOf(line, month, sentAt)
    line.lastMonth = Math.max(line.lastMonth, month)
    const step = month + (this.#round(line.round)?.shift ?? 0)
    this.latestStep = Math.max(this.latestStep ?? step, step)
    return step
  }

  /** Lines recover one after the other, so each of them comes to a new round by itself. */
  #roundOf(line: Line, month: number, sentAt: number): number {
    if (this.#rounds.length === 0) this.#rounds.push({ beganAt: sentAt, shift: -month })
    const begun = this.#rounds.findLastIndex(({ beganAt }) => beganAt <= sentAt)
    const current = Math.max(line.round, this.#dropped + Math.max(0, begun))
    if (line.points.length === 0) return current
    if (current > line.round) line.lastMonth = 0
    if (month >= line.lastMonth - restartMonths) return current
    line.lastMonth = 0
    this.#begin(current + 1, month, sentAt)
    return current + 1
  }

  #begin(index: number, month: number, sentAt: number): void {
    const known = this.#round(index)
    if (known !== undefined) {
      known.beganAt = Math.min(known.beganAt, sentAt)
      return
    }
    const shift = (this.latestStep ?? 0) + restartSteps - month
    this.#rounds.push({ beganAt: sentAt, shift })
    if (this.#rounds.length > roundsMax) {
      this.#rounds.shift()
      this.#dropped += 1
    }
  }

  #round(index: number): Round | undefined {
    return this.#rounds[Math.max(0, index - this.#dropped)]
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
