/** `tidegate serve`: one gateway node as a process, until a signal ends it. */
import { parseArgs } from 'node:util'
import { ConfigError, variableOf } from '../gateway/config.js'
import { describeError, Log, type LogLine } from '../gateway/log.js'
import { messageOf, type Command } from './command.js'
import { StartError, startNode } from './serve.js'

const help = `tidegate serve [--config tidegate.json]

Starts one gateway node. Its settings are TIDEGATE_… variables, or the same names as keys of the
JSON file; the README lists them. It logs JSON lines, and nothing else.
  --config  the file with settings (default: TIDEGATE_CONFIG, if set)

SIGTERM and SIGINT close its connections so that they go elsewhere, and end it within
TIDEGATE_SHUTDOWN_GRACE_SECONDS; a second one ends it at once.`

const aloneNotice: LogLine = {
  event: 'setting_notice',
  message:
    `${variableOf('natsUrls')} is not set: publications stay in this process, and neither ` +
    'services nor other nodes see them.',
}

export const serveCommand: Command = {
  name: 'serve',
  summary: 'run a gateway node',
  help,
  async run(args, { env }) {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' } } })
    const file = values.config ?? (env['TIDEGATE_CONFIG'] || undefined)
    const signal = firstSignal()
    try {
      const node = await startNode({ env, file, signal })
      logUncaught(node.log)
      if (node.config.natsUrls.length === 0) node.log.write(aloneNotice)
      await aborted(signal)
      await node.close()
      return 0
    } catch (error) {
      // Told to end before it had started: that is no failure.
      if (signal.aborted && error === signal.reason) return 0
      new Log('info').write({ event: 'start_failed', faults: faultsOf(error) })
      return 1
    }
  },
}

/** An exception that nobody caught leaves the process in no known state: it is told, and ended. */
function logUncaught(log: Log): void {
  process.on('uncaughtException', (error) => {
    log.write({ event: 'uncaught_exception', ...describeError(error) })
    process.exit(1)
  })
}

/** A second one is a person's impatience. */
function firstSignal(): AbortSignal {
  const controller = new AbortController()
  const hear = (): void => {
    if (controller.signal.aborted) process.exit(1)
    controller.abort()
  }
  process.on('SIGTERM', hear)
  process.on('SIGINT', hear)
  return controller.signal
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function faultsOf(error: unknown): readonly string[] {
  if (error instanceof ConfigError) return error.faults.map(({ message }) => message)
  if (error instanceof StartError) return error.faults
  return [messageOf(error)]
}
