/** The domain service: replays stock prices, and knows nothing of Tidegate but its subjects. */
import type { MonthlyPrice } from './monthly-prices.js'
import type { StockPrice } from './stock-price.js'

export interface StocksServiceOptions {
  readonly prices: readonly MonthlyPrice[]
  readonly publish: (subject: string, payload: Uint8Array) => void
  /** Publications of all stocks together. */
  readonly perSecond?: number
  readonly subjectPrefix?: string
}

/** Starts at once and begins anew after the last price. Returns what stops it. */
export function startStocksService(options: StocksServiceOptions): () => void {
  const { prices, publish, perSecond = 5, subjectPrefix = 'rt' } = options
  const encoder = new TextEncoder()
  let next = 0
  const timer = setInterval(() => {
    const monthly = prices[next++ % prices.length]
    if (monthly === undefined) return
    const { symbol, date, price } = monthly
    const publication: StockPrice = { symbol, date, price, sentAt: Date.now() }
    const subject = `${subjectPrefix}.pub.stocks.${symbol}`
    publish(subject, encoder.encode(JSON.stringify(publication)))
  }, 1000 / perSecond)
  return () => clearInterval(timer)
}
