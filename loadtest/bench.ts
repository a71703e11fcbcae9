/** `npm run bench`: runs the measurements one after the other, reports, cleans up. */
import { parseOptions, type BenchOptions } from './bench-options.js'
import { Children } from './children.js'
import { obstacle, readMachine, type Machine } from './machine.js'
import type { Measurement, Row } from './measurement.js'
import { channelsMemory } from './measurements/channels-memory.js'
import { connections } from './measurements/connections.js'
import { delay } from './measurements/delay.js'
import { durableDelay } from './measurements/durable-delay.js'
import { fanOut } from './measurements/fan-out.js'
import { handshake } from './measurements/handshake.js'
import { historyReads } from './measurements/history-reads.js'
import { idleMemory } from './measurements/idle-memory.js'
import { pollRound } from './measurements/poll-round.js'
import { recoveryCosts } from './measurements/recovery-costs.js'
import { recoveryLone } from './measurements/recovery-lone.js'
import { recoveryQuiet } from './measurements/recovery-quiet.js'
import { recoveryRing } from './measurements/recovery-ring.js'
import { recoveryStorm } from './measurements/recovery-storm.js'
import { startNats } from './nats-process.js'
import { rootPath } from './paths.js'
import { Publisher } from './publisher.js'
import { formatRun, writeRun, type Run } from './report.js'
import { SideBySide } from './side-by-side.js'
import { fullSizes, smallSizes, socketsMax } from './sizes.js'

const measurements: readonly Measurement[] = [
  idleMemory,
  handshake,
  pollRound,
  fanOut,
  delay,
  connections,
  durableDelay,
  recoveryStorm,
  recoveryQuiet,
  recoveryLone,
  recoveryRing,
  channelsMemory,
  historyReads,
  recoveryCosts,
]

const startedAt = performance.now()

function secondsSinceStart(): number {
  return Math.round((performance.now() - startedAt) / 1000)
}

/** Progress goes to stderr, so that stdout is the report alone. */
function progress(text: string): void {
  process.stderr.write(`${String(secondsSinceStart()).padStart(4)} s  ${text}\n`)
}

async function measure(options: BenchOptions, machine: Machine, children: Children): Promise<Run> {
  const nats = await startNats(children)
  const publisher = await Publisher.connect(nats.url)
  const lab = new SideBySide({
    children,
    natsUrl: nats.url,
    publisher,
    sizes: options.isSmall ? smallSizes : fullSizes,
    isCalibration: options.isCalibration,
    progress,
  })
  const rows: Row[] = []
  for (const measurement of options.measurements) {
    if (options.isCalibration && measurement.isGatewayOnly === true) continue
    rows.push(...(await measurement.run(lab)))
  }
  await publisher.close()
  return {
    startedAt: new Date(performance.timeOrigin).toISOString(),
    seconds: secondsSinceStart(),
    isSmall: options.isSmall,
    measured: options.isCalibration ? 'second engine' : 'gateway',
    machine,
    engine: lab.engine,
    rows,
    notes: lab.notes,
  }
}

/** Ends what was started, however the run goes; the exit code says whether it went through. */
async function run(options: BenchOptions, machine: Machine): Promise<number> {
  const children = new Children()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      children.killAll()
      process.exit(130)
    })
  }
  try {
    const run = await measure(options, machine, children)
    writeRun(options.outPath, run)
    const note = options.isSmall ? 'Everything works; so small a run proves nothing else.\n' : ''
    process.stdout.write(`\n${formatRun(run)}\n\n${note}Every round: ${options.outPath}\n`)
    return 0
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.stack : String(error)}\n`)
    return 1
  } finally {
    await children.stopAll()
  }
}

async function main(): Promise<number> {
  const defaultOutPath = rootPath('build/bench/bench.json')
  const parsed = parseOptions(process.argv.slice(2), measurements, defaultOutPath)
  if (parsed.type !== 'run') {
    process.stdout.write(`${parsed.text}\n`)
    return parsed.type === 'help' ? 0 : 2
  }
  const machine = readMachine()
  const { options } = parsed
  const reason = obstacle(machine, socketsMax(options.isSmall ? smallSizes : fullSizes))
  if (reason !== undefined) {
    process.stderr.write(`bench: ${reason}\n`)
    return 2
  }
  const { cores, openFilesMax, loadAverage } = machine
  progress(`${cores} cores, ${openFilesMax} open files a process, load ${loadAverage}`)
  return run(options, machine)
}

process.exitCode = await main()
