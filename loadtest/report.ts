/** What a run prints and writes: the table, and the same with every round as JSON. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Machine } from './machine.js'
import { isWithinBudget, ratioOf, type Row } from './measurement.js'
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
}

/** A small run shows its figures only: ratios and budgets of so little load mean nothing. */
export function formatRun(run: Run): string {
  const columns = run.isSmall ? figures(run) : [...figures(run), ...comparisons]
  const rows = run.rows.map((row) => columns.map((column) => column.cell(row)))
  return formatTable(
    columns.map((column) => column.title),
    rows,
  )
}

export function writeRun(path: string, run: Run): void {
  mkdirSync(dirname(path), { recursive: true })
  const rows = run.rows.map((row) => ({
    ...row,
    gatewayMedian: median(row.gateway),
    bareMedian: median(row.bare),
    ratio: ratioOf(row),
    isWithinBudget: isWithinBudget(row),
  }))
  writeFileSync(path, `${JSON.stringify({ ...run, rows }, undefined, 2)}\n`)
}

interface Column {
  readonly title: string
  readonly cell: (row: Row) => string
}

function figures(run: Run): readonly Column[] {
  return [
    { title: 'median of the rounds', cell: (row) => row.what },
    { title: run.measured, cell: (row) => figure(median(row.gateway), row.unit) },
    { title: 'bare engine', cell: (row) => figure(median(row.bare), row.unit) },
  ]
}

const comparisons: readonly Column[] = [
  { title: 'ratio', cell: (row) => ratioOf(row).toFixed(2) },
  { title: 'spread', cell: spread },
  { title: 'budget', cell: budgetText },
  { title: '', cell: verdict },
]

/** Smallest and largest ratio of a round: how much a single one may be trusted. */
function spread(row: Row): string {
  const ratios = row.gateway.map((value, round) => value / (row.bare[round] as number))
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
  const digits = unit === 'B' ? 0 : 2
  return `${value.toFixed(digits)} ${unit}`
}
