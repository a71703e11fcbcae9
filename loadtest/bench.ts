/** `npm run bench`: starts everything, runs the measurements one after the other, reports, cleans up. */
import { startBareEngine } from './bare-target.js'
import { parseOptions, type BenchOptions } from './bench-options.js'
import { Children } from './children.js'
import { Fleet } from './fleet.js'
import { startGateway } from './gateway-target.js'
import { obstacle, readMachine } from './machine.js'
import type { Lab, Measurement, Row, Sides } from './measurement.js'
import { connections } from './measurements/connections.js'
import { delay } from './measurements/delay.js'
import { fanOut } from './measurements/fan-out.js'
import { handshake } from './measurements/handshake.js'
import { idleMemory } from './measurements/idle-memory.js'
import { pollRound } from './measurements/poll-round.js'
import { startNats } from './nats-process.js'
import { rootPath } from './paths.js'
import { Publisher } from './publisher.js'
import { formatRun, writeRun } from './report.js'
import { fullSizes, smallSizes } from './sizes.js'
import type { StartOptions } from './target.js'

const all: readonly Measurement[] = [idleMemory, handshake, pollRound, fanOut, delay, connections]

const startedAt = performance.now()

function say(text: string): void {
  const seconds = Math.round((performance.now() - startedAt) / 1000)
  process.stderr.write(`${String(seconds).padStart(4)} s  ${text}\n`)
}

async function withSides<T>(
  options: StartOptions & { readonly isCalibration: boolean },
  sockets: number,
  run: (sides: Sides) => Promise<T>,
): Promise<T> {
  const { children, isCalibration } = options
  const gateway = isCalibration ? startBareEngine(options, 'second engine') : startGateway(options)
  const targets = await Promise.all([gateway, startBareEngine(options)])
  const [first, second] = targets.map((target) => ({
    target,
    fleet: new Fleet(children, sockets),
  })) as [Sides['gateway'], Sides['bare']]
  const result = await run({ gateway: first, bare: second })
  await Promise.all([first.fleet.stop(), second.fleet.stop()])
  await Promise.all(targets.map((target) => target.stop()))
  return result
}

async function measure(options: BenchOptions, children: Children): Promise<readonly Row[]> {
  const nats = await startNats(children)
  const publisher = await Publisher.connect(nats.url)
  const lab: Lab = {
    sizes: options.isSmall ? smallSizes : fullSizes,
    publisher,
    withSides: (sockets, nodeFlags, run) => {
      const { isCalibration } = options
      const start = { children, natsUrl: nats.url, nodeFlags, isCalibration }
      return withSides(start, sockets, run)
    },
    progress: say,
  }
  const rows: Row[] = []
  for (const measurement of options.measurements) rows.push(...(await measurement.run(lab)))
  await publisher.close()
  return rows
}

async function main(): Promise<number> {
  const parsed = parseOptions(process.argv.slice(2), all, rootPath('build/bench/bench.json'))
  if (parsed.type !== 'run') {
    process.stdout.write(`${parsed.text}\n`)
    return parsed.type === 'help' ? 0 : 2
  }
  const { options } = parsed
  const machine = readMachine()
  const { memory, connections } = options.isSmall ? smallSizes : fullSizes
  const reason = obstacle(machine, Math.max(memory.base + memory.count, ...connections.counts))
  if (reason !== undefined) {
    process.stderr.write(`bench: ${reason}\n`)
    return 2
  }
  say(`${machine.cores} cores, ${machine.openFilesMax} open files, load ${machine.loadAverage}`)
  const children = new Children()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      children.killAll()
      process.exit(130)
    })
  }
  try {
    const rows = await measure(options, children)
    const run = {
      startedAt: new Date(performance.timeOrigin).toISOString(),
      seconds: Math.round((performance.now() - startedAt) / 1000),
      isSmall: options.isSmall,
      measured: options.isCalibration ? 'second engine' : 'gateway',
      machine,
      rows,
    }
    writeRun(options.outPath, run)
    process.stdout.write(`\n${formatRun(run)}\n\nEvery round: ${options.outPath}\n`)
    return 0
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.stack : String(error)}\n`)
    return 1
  } finally {
    await children.stopAll()
  }
}

process.exitCode = await main()
