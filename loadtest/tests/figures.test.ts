/** Percentiles, ratios, budgets and the table: what turns rounds into a report. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { alternate, isWithinBudget, ratioOf, type Row, type Sides } from '../measurement.js'
import { median, percentile } from '../percentiles.js'
import { formatRun } from '../report.js'
import { formatTable } from '../table.js'

const row: Row = {
  name: 'handshake',
  what: 'CPU of a handshake',
  unit: 'µs',
  gateway: [60, 80, 300],
  bare: [30, 50, 100],
  budget: { of: 'ratio', max: 2 },
}

test('the median is the middle value, or the mean of the two in the middle', () => {
  assert.equal(median([5, 1, 100]), 5)
  assert.equal(median([4, 1, 2, 100]), 3)
  assert.throws(() => median([]))
})

test('a percentile is a value that was measured, of the nearest rank', () => {
  const sorted = Uint32Array.from({ length: 1000 }, (_, i) => i + 1)
  assert.equal(percentile(sorted, 0.5), 500)
  assert.equal(percentile(sorted, 0.99), 990)
  assert.equal(percentile(sorted, 0.999), 999)
  assert.equal(percentile(sorted, 1), 1000)
  assert.equal(percentile(Uint32Array.of(7), 0.5), 7)
  assert.throws(() => percentile(new Uint32Array(), 0.5))
})

test('the ratio is the median of the ratios of the rounds', () => {
  assert.equal(ratioOf(row), 2)
})

test('a budget bounds the ratio, or the figure of the gateway alone', () => {
  assert.equal(isWithinBudget(row), true)
  assert.equal(isWithinBudget({ ...row, budget: { of: 'ratio', max: 1.9 } }), false)
  assert.equal(isWithinBudget({ ...row, budget: { of: 'gateway', max: 79 } }), false)
  assert.equal(isWithinBudget({ ...row, budget: { of: 'gateway', max: 80 } }), true)
})

test('gateway and bare engine take turns at being measured first', async () => {
  const order: string[] = []
  const sides = { gateway: { name: 'gateway' }, bare: { name: 'bare' } } as unknown as Sides
  const values = await alternate(3, sides, (side, round) => {
    const { name } = side as unknown as { readonly name: string }
    order.push(name)
    return Promise.resolve(`${name} ${round}`)
  })
  assert.deepEqual(order, ['gateway', 'bare', 'bare', 'gateway', 'gateway', 'bare'])
  assert.deepEqual(values.bare, ['bare 0', 'bare 1', 'bare 2'])
})

test('a table aligns its first column to the left and the others to the right', () => {
  const table = formatTable(
    ['what', 'a'],
    [
      ['x', '10'],
      ['longer', '5'],
    ],
  )
  assert.equal(table, 'what     a\n------  --\nx       10\nlonger   5')
})

test('a column without a title has no rule', () => {
  const table = formatTable(['what', 'budget', ''], [['x', '1x', 'OVER']])
  assert.equal(table, 'what  budget\n----  ------\nx         1x  OVER')
})

test('a small run shows neither ratio nor verdict: its figures prove nothing', () => {
  const run = {
    startedAt: '',
    seconds: 1,
    isSmall: false,
    measured: 'gateway',
    engine: '',
    machine: {
      cpu: '',
      cores: 2,
      memoryGiB: 1,
      kernel: '',
      node: '',
      openFilesMax: 1,
      loadAverage: 0,
    },
    rows: [{ ...row, budget: { of: 'ratio', max: 1 } }],
    notes: [],
  } as const
  assert.match(formatRun(run), /2\.00\s+1\.60-3\.00\s+1x\s+OVER/)
  const small = formatRun({ ...run, isSmall: true })
  assert.match(small, /80\.00 µs +50\.00 µs$/)
  assert.doesNotMatch(small, /ratio|spread|budget|OVER/)
})

test('a figure that stands beside nothing has neither ratio nor another column', () => {
  const { bare: _bare, ...alone } = row
  assert.equal(ratioOf(alone), undefined)
  assert.equal(isWithinBudget({ ...alone, budget: { of: 'gateway', max: 80 } }), true)
})

test('a figure may stand beside another one of the gateway', () => {
  const { bare: _bare, ...alone } = row
  const beside = { name: 'single reads', values: [120, 160, 600] }
  assert.equal(ratioOf({ ...alone, beside }), 0.5)
})
