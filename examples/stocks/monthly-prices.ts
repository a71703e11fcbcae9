/** The real prices that are replayed: five stocks by month, 2000 to 2010 (npm `vega-datasets`). */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export interface MonthlyPrice {
  readonly symbol: string
  /** ISO 8601, the first day of the month. */
  readonly date: string
  /** US$. */
  readonly price: number
}

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/** In the order of time, so that all stocks move on together. */
export function readMonthlyPrices(): MonthlyPrice[] {
  // The package exports only its loader; the data lies beside it.
  const loader = createRequire(import.meta.url).resolve('vega-datasets')
  const csv = readFileSync(join(dirname(loader), '..', 'data', 'stocks.csv'), 'utf8')
  const prices = csv.trim().split(/\r?\n/).slice(1).map(parseLine)
  return prices.sort((a, b) => a.date.localeCompare(b.date) || a.symbol.localeCompare(b.symbol))
}

/** A line is `MSFT,Jan 1 2000,39.81`. */
function parseLine(line: string): MonthlyPrice {
  const [symbol = '', day = '', price = ''] = line.split(',')
  const [month = '', , year = ''] = day.split(' ')
  const number = String(months.indexOf(month) + 1).padStart(2, '0')
  return { symbol, date: `${year}-${number}-01`, price: Number(price) }
}
