/** `tidegate provision`: makes and updates the streams of durable namespaces, shown before done. */
import { parseArgs } from 'node:util'
import { loadConfig, variableOf, type Config } from '../gateway/config.js'
import {
  openProvisioner,
  type StreamCheck,
  type StreamProvisioner,
} from '../hub/jetstream-provision.js'
import { describeStream } from '../hub/jetstream-stream.js'
import { CommandError, messageOf, type Command, type Terminal } from './command.js'
import { natsOptionsOf, withVariables } from './nats-options.js'

const natsVariable = variableOf('natsUrls')

const help = `tidegate provision [--dry-run] [--yes]

Makes the streams of the durable namespaces in ${variableOf('namespaces')}, or updates them, on the
NATS of ${natsVariable}. First it shows what would change. A stream that no update can make fit is
left as it is, and the command says how to mend it; so it ends with 1 if anything is left to mend.
  --dry-run  only show it
  --yes      ask nothing; without a terminal nothing is asked anyway
  --config   the file with settings (default: TIDEGATE_CONFIG, if set)`

export const provisionCommand: Command = {
  name: 'provision',
  summary: 'make or update the streams of durable channels',
  help,
  async run(args, terminal) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        'dry-run': { type: 'boolean', default: false },
        yes: { type: 'boolean', default: false },
        config: { type: 'string' },
      },
    })
    const file = values.config ?? (terminal.env['TIDEGATE_CONFIG'] || undefined)
    const config = loadConfig({ env: terminal.env, file })
    if (config.natsUrls.length === 0) {
      throw new CommandError(`${natsVariable} is not set: there is no NATS to make streams on.`)
    }
    const provisioner = await opened(config)
    try {
      const checks = await provisioner.check()
      show(checks, terminal)
      const changes = checks.filter(({ type }) => type === 'missing' || type === 'different')
      const isLeft = checks.some(({ type }) => type === 'unfit' || type === 'unknown')
      if (values['dry-run'] || changes.length === 0) return isLeft ? 1 : 0
      if (!values.yes && !(await terminal.confirm('Change it?'))) {
        terminal.err('Nothing was changed.')
        return 1
      }
      const isDone = await change(provisioner, changes, terminal)
      return isDone && !isLeft ? 0 : 1
    } finally {
      await provisioner.close()
    }
  },
}

async function opened(config: Config): Promise<StreamProvisioner> {
  const result = await openProvisioner(natsOptionsOf(config), config).catch((error: unknown) => {
    throw new CommandError(withVariables(messageOf(error), config))
  })
  if (!result.ok) throw new CommandError(`NATS cannot be reached: ${result.reason}.`)
  return result.provisioner
}

/** What is there and what would change, on standard output; what no update mends, as an error. */
function show(checks: readonly StreamCheck[], terminal: Terminal): void {
  if (checks.length === 0) terminal.out('No namespace is durable: there is no stream to make.')
  const sentences = new Set<string>()
  for (const check of checks) {
    terminal.out(`${check.wanted.name} (namespace ${check.namespace}): ${stateOf(check)}`)
    for (const line of linesOf(check)) terminal.out(`  ${line}`)
    if (check.type === 'unfit' || check.type === 'unknown') sentences.add(check.sentence)
  }
  for (const sentence of sentences) terminal.err(sentence)
}

function stateOf(check: StreamCheck): string {
  switch (check.type) {
    case 'fit':
      return 'fits'
    case 'missing':
      return 'to be made'
    case 'different':
      return 'to be updated'
    case 'unfit':
      return 'does not fit'
    case 'unknown':
      return 'cannot be looked at'
  }
}

function linesOf(check: StreamCheck): readonly string[] {
  switch (check.type) {
    case 'missing':
      return describeStream(check.wanted)
    case 'different':
    case 'unfit':
      return check.lines
    case 'fit':
    case 'unknown':
      return []
  }
}

/** One after the other, so that what was done before a failure is known. */
async function change(
  provisioner: StreamProvisioner,
  checks: readonly StreamCheck[],
  terminal: Terminal,
): Promise<boolean> {
  let isDone = true
  for (const check of checks) {
    const result = await provisioner.provision(check)
    isDone &&= result.ok
    if (result.ok) terminal.out(`${check.wanted.name}: ${result.change}`)
    else terminal.err(result.sentence)
  }
  return isDone
}
