/** The domain service: what it publishes, and where. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMonthlyPrices } from '../stocks/monthly-prices.js'
import { startStocksService } from '../stocks/service.js'
import { isStockPrice, stockSymbols } from '../stocks/stock-price.js'

test('the prices are those of vega-datasets, in the order of time', () => {
  const prices = readMonthlyPrices()
  assert.equal(prices.length, 560)
  assert.deepEqual(prices[0], { symbol: 'AAPL', date: '2000-01-01', price: 25.94 })
  assert.deepEqual(prices.at(-1), { symbol: 'MSFT', date: '2010-03-01', price: 28.8 })
  assert.deepEqual([...new Set(prices.map(({ symbol }) => symbol))].sort(), [...stockSymbols])
  assert.ok(prices.every(({ date, price }) => /^20[01]\d-[01]\d-01$/.test(date) && price > 0))
})

test('each price goes to the subject of its stock, and the replay begins anew', (t) => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_000 })
  const published: [string, unknown][] = []
  const stop = startStocksService({
    prices: [
      { symbol: 'IBM', date: '2000-01-01', price: 100.52 },
      { symbol: 'MSFT', date: '2000-01-01', price: 39.81 },
    ],
    publish: (subject, payload) => {
      published.push([subject, JSON.parse(new TextDecoder().decode(payload))])
    },
    perSecond: 2,
    subjectPrefix: 'live',
  })
  for (let tick = 0; tick < 3; tick++) t.mock.timers.tick(500)
  stop()
  t.mock.timers.tick(5_000)
  assert.deepEqual(published, [
    ['live.pub.stocks.IBM', { symbol: 'IBM', date: '2000-01-01', price: 100.52, sentAt: 1_500 }],
    ['live.pub.stocks.MSFT', { symbol: 'MSFT', date: '2000-01-01', price: 39.81, sentAt: 2_000 }],
    ['live.pub.stocks.IBM', { symbol: 'IBM', date: '2000-01-01', price: 100.52, sentAt: 2_500 }],
  ])
  assert.ok(published.every(([, price]) => isStockPrice(price)))
})
