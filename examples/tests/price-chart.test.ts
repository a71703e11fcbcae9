/** What the demo draws and measures, without a browser. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DelayMeter } from '../stocks/delay-meter.js'
import { PriceHistory, unbroken } from '../stocks/price-history.js'
import { priceAxis, spread, stepScale } from '../stocks/scale.js'

const price = (symbol: string, date: string, value = 10) => ({
  symbol,
  date,
  price: value,
  sentAt: 0,
})

function stepsOf(history: PriceHistory, symbol: string): number[] {
  return (history.lines.get(symbol) ?? []).map(({ step }) => step)
}

test('a month is a step, and stocks of one month stand above each other', () => {
  const history = new PriceHistory(['A', 'B'])
  for (const date of ['2003-11-01', '2003-12-01', '2004-01-01']) {
    history.add(price('A', date))
    history.add(price('B', date))
  }
  assert.deepEqual(stepsOf(history, 'A'), [0, 1, 2])
  assert.deepEqual(stepsOf(history, 'B'), [0, 1, 2])
  assert.deepEqual(history.years, [{ step: 2, year: 2004 }])
})

test('when the replay begins anew the axis goes on, with a break in the lines', () => {
  const history = new PriceHistory(['A', 'B'])
  history.add(price('A', '2010-02-01'))
  history.add(price('A', '2010-03-01'))
  for (const date of ['2000-01-01', '2000-02-01']) {
    history.add(price('A', date))
    history.add(price('B', date))
  }
  assert.deepEqual(stepsOf(history, 'A'), [0, 1, 4, 5])
  assert.deepEqual(stepsOf(history, 'B'), [4, 5])
  const pieces = unbroken(history.lines.get('A') ?? [])
  assert.deepEqual(
    pieces.map((piece) => piece.length),
    [2, 2],
  )
})

test('a lost month is a break in the line, and a late one does not turn it back', () => {
  const history = new PriceHistory(['A'])
  for (const month of ['01', '02', '04', '03', '05']) history.add(price('A', `2001-${month}-01`))
  assert.deepEqual(stepsOf(history, 'A'), [0, 1, 3, 4])
  assert.equal(unbroken(history.lines.get('A') ?? []).length, 2)
})

test('lines that recover one after the other meet again, over a new replay too', () => {
  const history = new PriceHistory(['A', 'B', 'LATE'])
  const months = ['2009-12-01', '2010-01-01', '2010-02-01', '2000-01-01', '2000-02-01']
  const add = (symbol: string, from: number, absence: number) => {
    for (const [at, date] of months.entries()) {
      if (at < from) continue
      history.add({ ...price(symbol, date), sentAt: at * 1_000 }, absence)
    }
  }
  history.add({ ...price('A', '2009-12-01'), sentAt: 0 })
  history.add({ ...price('B', '2009-12-01'), sentAt: 0 })
  for (const symbol of ['A', 'B']) add(symbol, 1, 1)
  add('LATE', 1, 1)
  assert.deepEqual(stepsOf(history, 'A'), [0, 1, 2, 5, 6])
  assert.deepEqual(stepsOf(history, 'B'), [0, 1, 2, 5, 6])
  assert.deepEqual(stepsOf(history, 'LATE'), [1, 2, 5, 6])
  const absences = history.lines.get('B')?.map(({ absence }) => absence)
  assert.deepEqual(absences, [0, 1, 1, 1, 1])
  assert.deepEqual(history.years, [
    { step: 1, year: 2010 },
    { step: 5, year: 2000 },
  ])
})

test('a history keeps a bounded number of points, and no stock it was not asked for', () => {
  const history = new PriceHistory(['A'])
  for (let round = 0; round < 400; round++) {
    const year = 2000 + Math.floor(round / 12)
    history.add(price('A', `${year}-${String((round % 12) + 1).padStart(2, '0')}-01`))
    history.add(price('ZZZ', '2000-01-01'))
  }
  assert.equal(history.lines.get('A')?.length, 150)
  assert.ok(history.years.length <= 15)
  assert.deepEqual([...history.lines.keys()], ['A'])
})

test('the price axis spans round prices, and equal ratios are equal distances', () => {
  const frame = { left: 0, right: 100, top: 0, bottom: 300 }
  const { ticks, toY } = priceAxis(frame, 7, 610)
  assert.deepEqual(ticks, [5, 10, 20, 50, 100, 200, 500, 1000])
  assert.equal(toY(5), 300)
  assert.ok(Math.abs(toY(1000)) < 1e-9)
  assert.ok(Math.abs(toY(10) - toY(100) - (toY(100) - toY(1000))) < 1e-9)
  assert.equal(stepScale(frame, 50, 20)(45), 75)
})

test('labels are moved apart, keep their order and stay above the lowest place', () => {
  assert.deepEqual(spread([10, 80], 14, 100), [10, 80])
  assert.deepEqual(spread([52, 50], 14, 100), [64, 50])
  assert.deepEqual(spread([95, 99, 97], 14, 100), [72, 100, 86])
})

test('the delay is shown as the newest, the median and the 99th percentile', () => {
  const meter = new DelayMeter()
  assert.equal(meter.summary(), undefined)
  for (let delayMs = 100; delayMs >= 1; delayMs--) meter.add(delayMs)
  assert.deepEqual(meter.summary(), { currentMs: 1, medianMs: 50, p99Ms: 99 })
})

test('the delay speaks of the last 500 publications', () => {
  const meter = new DelayMeter()
  meter.add(9_999)
  for (let count = 0; count < 500; count++) meter.add(5)
  assert.deepEqual(meter.summary(), { currentMs: 5, medianMs: 5, p99Ms: 5 })
})
