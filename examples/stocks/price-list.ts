/** The newest price of each stock as text, for those who cannot or need not read the lines. */
import type { StockPrice } from './stock-price.js'

const money = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
const percent = new Intl.NumberFormat('en', {
  style: 'percent',
  signDisplay: 'exceptZero',
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
})

interface Row {
  readonly price: HTMLElement
  readonly change: HTMLElement
}

export class PriceList {
  readonly #rows = new Map<string, Row>()
  readonly #last = new Map<string, number>()

  constructor(list: HTMLElement, symbols: readonly string[]) {
    for (const symbol of symbols) {
      const item = document.createElement('li')
      item.className = `series-${symbol}`
      const name = cell('name', symbol)
      const row = { price: cell('price', '–'), change: cell('change', '') }
      item.append(name, row.price, row.change)
      list.append(item)
      this.#rows.set(symbol, row)
    }
  }

  show({ symbol, price }: StockPrice): void {
    const row = this.#rows.get(symbol)
    if (row === undefined) return
    const last = this.#last.get(symbol) ?? price
    this.#last.set(symbol, price)
    row.price.textContent = money.format(price)
    row.change.textContent = percent.format(price / last - 1)
  }
}

function cell(className: string, content: string): HTMLElement {
  const element = document.createElement('span')
  element.className = className
  element.textContent = content
  return element
}
