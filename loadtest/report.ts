/** What a run prints and writes: the table, and the same with every round as JSON. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Machine } from './machine.js'
import { besideOf, isWithinBudget, ratioOf, ratiosOf, type Row } from './measurement.js'
import { median } from './percentiles.js'
import { formatTable } from './table.js'

export interface Run {
  readonly startedAt: string
  readonly seconds: number
  readonly isSmall: boolean
  /** What stood in the gateway's place: itself, or a second bare engine. */
  readonly measured: string
  readonly machine: Machine
  /** The bare engine's package and binary. */
  readonly engine: string
  readonly rows: readonly Row[]
  /** What else was found. */
  readonly notes: readonly string[]
}

/**
 * One table for each thing that figures stand beside. A small run shows its figures only: ratios
 * and budgets of so little load mean nothing.
 */
export function formatRun(run: Run): string {
  const tables = new Map<string | undefined, Row[]>()
  for (const row of run.rows) {
    const name = besideOf(row)?.name
    tables.set(name, [...(tables.get(name) ?? []), row])
  }
  const texts = [...tables].map(([name, rows]) => {
    const columns = columnsOf(run, name)
    return formatTable(
      columns.map((column) => column.title),
      rows.map((row) => columns.map((column) => column.cell(row))),
    )
  })
  return [...texts, ...run.notes].join('\n\n')
}

export function writeRun(path: string, run: Run): void {
  mkdirSync(dirname(path), { recursive: true })
  const rows = run.rows.map((row) => ({
    ...row,
    gatewayMedian: median(row.gateway),
    besideMedian: medianBeside(row),
    ratio: ratioOf(row),
    isWithinBudget: isWithinBudget(row),
  }))
  writeFileSync(path, `${JSON.stringify({ ...run, rows }, undefined, 2)}\n`)
}

interface Column {
  readonly title: string
  readonly cell: (row: Row) => string
}

function columnsOf(run: Run, beside: string | undefined): readonly Column[] {
  const columns: Column[] = [
    { title: 'median of the rounds', cell: (row) => row.what },
    {
      title: beside === 'bare engine' ? run.measured : 'gateway',
      cell: (row) => figure(median(row.gateway), row.unit),
    },
  ]
  if (beside !== undefined) {
    columns.push({ title: beside, cell: (row) => figure(medianBeside(row) ?? NaN, row.unit) })
  }
  if (run.isSmall) return columns
  if (beside !== undefined) columns.push(...comparisons)
  return [...columns, { title: 'budget', cell: budgetText }, { title: '', cell: verdict }]
}

const comparisons: readonly Column[] = [
  { title: 'ratio', cell: (row) => ratioOf(row)?.toFixed(2) ?? '' },
  { title: 'spread', cell: spread },
]

function medianBeside(row: Row): number | undefined {
  const beside = besideOf(row)
  return beside && median(beside.values)
}

/** Smallest and largest ratio of a round: how much a single one may be trusted. */
function spread(row: Row): string {
  const ratios = ratiosOf(row)
  return `${Math.min(...ratios).toFixed(2)}-${Math.max(...ratios).toFixed(2)}`
}

function budgetText(row: Row): string {
  if (row.budget === undefined) return ''
  const { of, max } = row.budget
  return of === 'ratio' ? `${max}x` : figure(max, row.unit)
}

function verdict(row: Row): string {
  const isWithin = isWithinBudget(row)
  if (isWithin === undefined) return ''
  return isWithin ? 'ok' : 'OVER'
}

function figure(value: number, unit: Row['unit']): string {
  const digits = unit === 'B' || unit === '/s' ? 0 : 2
  return `${value.toFixed(digits)} ${unit}`
}
