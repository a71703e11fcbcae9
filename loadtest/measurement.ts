/** The common shape of all measurements: both servers side by side, rounds in turn, rows out. */
import type { Children } from './children.js'
import type { Fleet } from './fleet.js'
import type { Publisher } from './publisher.js'
import type { Sizes } from './sizes.js'
import type { Target } from './target.js'
import { median } from './percentiles.js'

export interface Measurement {
  /** What `--only` calls it. */
  readonly name: string
  /** What it measures, in one line of `--help`. */
  readonly summary: string
  /** It has no bare engine beside it, so there is nothing to calibrate. */
  readonly isGatewayOnly?: boolean
  run(lab: Lab): Promise<readonly Row[]>
}

/** What a measurement works with; bench.ts implements it. */
export interface Lab {
  readonly sizes: Sizes
  readonly publisher: Publisher
  readonly children: Children
  /** Both servers in new processes, each with load clients for `sockets`; ended after `run`. */
  withSides<T>(
    sockets: number,
    nodeFlags: readonly string[],
    run: (sides: Sides) => Promise<T>,
  ): Promise<T>
  progress(text: string): void
  /** Printed below the tables. */
  note(text: string): void
}

export interface Side {
  readonly target: Target
  readonly fleet: Fleet
}

export interface Sides {
  readonly gateway: Side
  readonly bare: Side
}

/** One figure. The rounds are kept, so that a reader sees how much they scatter. */
export interface Row {
  readonly name: string
  readonly what: string
  readonly unit: 'B' | 'µs' | 'ms' | 's' | '/s'
  readonly gateway: readonly number[]
  /** The same of the bare engine; absent where it has no such thing. */
  readonly bare?: readonly number[]
  /** What the gateway's figure stands beside, in the same run, if not the bare engine's. */
  readonly beside?: Beside
  readonly budget?: Budget
}

export interface Beside {
  readonly name: string
  readonly values: readonly number[]
}

/** Of the ratio to what it stands beside, or of the gateway's figure alone (in the row's unit). */
export interface Budget {
  readonly of: 'ratio' | 'gateway'
  readonly max: number
}

export function besideOf(row: Row): Beside | undefined {
  return row.bare === undefined ? row.beside : { name: 'bare engine', values: row.bare }
}

export function ratiosOf(row: Row): readonly number[] {
  const { values } = besideOf(row) ?? { values: [] }
  return values.map((value, round) => (row.gateway[round] as number) / value)
}

/** The median of the rounds' ratios: the two halves of a round lie close together in time. */
export function ratioOf(row: Row): number | undefined {
  const ratios = ratiosOf(row)
  return ratios.length === 0 ? undefined : median(ratios)
}

export function isWithinBudget(row: Row): boolean | undefined {
  if (row.budget === undefined) return undefined
  const { of, max } = row.budget
  return (of === 'ratio' ? (ratioOf(row) ?? Infinity) : median(row.gateway)) <= max
}

/** Who is measured first changes from round to round: a machine that drifts favours nobody. */
function turns(round: number): readonly (keyof Sides)[] {
  return round % 2 === 0 ? ['gateway', 'bare'] : ['bare', 'gateway']
}

/** Measures both in each round. */
export async function alternate<T>(
  rounds: number,
  sides: Sides,
  measure: (side: Side, round: number) => Promise<T>,
): Promise<{ gateway: T[]; bare: T[] }> {
  const values: { gateway: T[]; bare: T[] } = { gateway: [], bare: [] }
  for (let round = 0; round < rounds; round += 1) {
    for (const key of turns(round)) values[key].push(await measure(sides[key], round))
  }
  return values
}
