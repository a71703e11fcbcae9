/** What this machine is, and whether it can carry a run at all. */
import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { cpuNs, memoryOf } from './proc-stat.js'

export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly kernel: string
  readonly node: string
  /** Of one process. */
  readonly openFilesMax: number
  /** Before the run: who else is at work here. */
  readonly loadAverage: number
}

/** Files of a process beside its sockets. */
const otherFiles = 200

export function readMachine(): Machine {
  const files = execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim()
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    openFilesMax: files === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(files),
    loadAverage: loadavg()[0] as number,
  }
}

/** Why a run with so many sockets in one process cannot be done here; undefined if it can. */
export function obstacle(machine: Machine, sockets: number): string | undefined {
  if (process.platform !== 'linux') return 'CPU and memory are read from /proc: Linux is needed.'
  const needed = sockets + otherFiles
  if (machine.openFilesMax < needed) {
    return `${needed} open files a process are needed; ulimit -n says ${machine.openFilesMax}.`
  }
  try {
    memoryOf(process.pid)
    if (cpuNs(process.pid) > 0) return undefined
  } catch {
    // Falls through to the sentence below.
  }
  return 'This kernel does not tell CPU time and memory of a process (schedstat, smaps_rollup).'
}
