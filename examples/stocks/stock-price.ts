/** One price of one stock, as the service publishes it and the page reads it. */

export interface StockPrice {
  readonly symbol: string
  /** The first day of its month: `2004-08-01`. */
  readonly date: string
  /** US$. */
  readonly price: number
  /** When the service published it, in ms since 1970. */
  readonly sentAt: number
}

export const stockSymbols = ['AAPL', 'AMZN', 'GOOG', 'IBM', 'MSFT'] as const

export function isStockPrice(value: unknown): value is StockPrice {
  if (typeof value !== 'object' || value === null) return false
  const price = value as Partial<Record<keyof StockPrice, unknown>>
  return (
    typeof price.symbol === 'string' &&
    typeof price.date === 'string' &&
    typeof price.price === 'number' &&
    typeof price.sentAt === 'number'
  )
}
