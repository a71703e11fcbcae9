/** CPU time and memory of a process, as Linux tells them in /proc. */
import { readFileSync, readdirSync } from 'node:fs'

export interface ProcessMemory {
  readonly residentBytes: number
  /** Without the mapped files: what the process itself has allocated. */
  readonly anonymousBytes: number
}

/** CPU time of all threads since the process began, in ns. Node and V8 keep their threads. */
export function cpuNs(pid: number): number {
  const tasks = `/proc/${pid}/task`
  let sum = 0
  for (const task of readdirSync(tasks)) {
    sum += parseSchedstat(readFileSync(`${tasks}/${task}/schedstat`, 'utf8'))
  }
  return sum
}

export function memoryOf(pid: number): ProcessMemory {
  return parseSmapsRollup(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))
}

/** The first of the three numbers: time on a CPU, in ns. */
export function parseSchedstat(text: string): number {
  const match = /^(\d+) \d+ \d+\s*$/.exec(text)
  if (match === null) throw new Error(`unexpected schedstat: ${JSON.stringify(text)}`)
  return Number(match[1])
}

export function parseSmapsRollup(text: string): ProcessMemory {
  return { residentBytes: field(text, 'Rss'), anonymousBytes: field(text, 'Anonymous') }
}

function field(text: string, name: string): number {
  const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)
  if (match === null) throw new Error(`smaps_rollup has no ${name}`)
  return Number(match[1]) * 1024
}
