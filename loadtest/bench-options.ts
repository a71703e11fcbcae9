/** The command line of `npm run bench`. */
import { parseArgs } from 'node:util'
import type { Measurement } from './measurement.js'

export interface BenchOptions {
  readonly isSmall: boolean
  /** A second bare engine in the gateway's place: shows what the machine's noise alone does. */
  readonly isCalibration: boolean
  readonly measurements: readonly Measurement[]
  readonly outPath: string
}

export type ParsedOptions =
  | { readonly type: 'run'; readonly options: BenchOptions }
  | { readonly type: 'help'; readonly text: string }
  | { readonly type: 'fault'; readonly text: string }

export function parseOptions(
  args: readonly string[],
  all: readonly Measurement[],
  defaultOutPath: string,
): ParsedOptions {
  let values
  try {
    values = parseArgs({
      args: [...args],
      options: {
        only: { type: 'string', multiple: true },
        small: { type: 'boolean' },
        calibrate: { type: 'boolean' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    return { type: 'fault', text: error instanceof Error ? error.message : 'bad arguments' }
  }
  if (values.help === true) return { type: 'help', text: help(all) }
  const names = values.only ?? all.map((measurement) => measurement.name)
  const unknown = names.find((name) => !all.some((measurement) => measurement.name === name))
  if (unknown !== undefined) {
    return { type: 'fault', text: `no measurement is called '${unknown}'; see --help` }
  }
  return {
    type: 'run',
    options: {
      isSmall: values.small === true,
      isCalibration: values.calibrate === true,
      measurements: all.filter((measurement) => names.includes(measurement.name)),
      outPath: values.out ?? defaultOutPath,
    },
  }
}

function help(all: readonly Measurement[]): string {
  const lines = all.map(({ name, summary }) => `  ${name.padEnd(15)} ${summary}`)
  return `npm run bench -- [options]

Measures the gateway beside the bare engine (uWebSockets.js without anything of ours), each in a
process of its own; and its durable channels, which the bare engine has not, by budgets. Takes some
35 minutes; the machine should have nothing else to do.

  --only <name>   only this measurement; may be given several times
  --small         a few hundred connections, 2 minutes: shows that everything works, no more
  --calibrate     a second bare engine in the gateway's place: every ratio should be 1
  --out <file>    where the JSON goes (build/bench/bench.json)
  --help          this text

Measurements:
${lines.join('\n')}

It fails when something breaks, never because of a figure. loadtest/README.md says how to read it.`
}
