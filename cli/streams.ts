/** The streams of durable namespaces at the start of a node: checked, or made and updated. */
import { variableOf, type Config } from '../gateway/config.js'
import { openProvisioner, type Opened, type StreamCheck } from '../hub/jetstream-provision.js'
import { messageOf } from './command.js'
import { natsOptionsOf, withVariables } from './nats-options.js'

export interface StreamsReport {
  /** Why this node must not start, a sentence each. */
  readonly faults: readonly string[]
  /** What was made or updated, and what could not be looked at now: for the log. */
  readonly notices: readonly string[]
}

/**
 * A NATS that is away, or has no leader now, is no fault: a node starts all the same, and its
 * durable channels are there as soon as their streams are. Never rejects.
 */
export async function prepareStreams(config: Config): Promise<StreamsReport> {
  const isDurable = [...config.namespaces.values()].some(({ history }) => history !== undefined)
  if (config.natsUrls.length === 0 || !isDurable) return { faults: [], notices: [] }
  let opened: Opened
  try {
    opened = await openProvisioner(natsOptionsOf(config), config)
  } catch (error) {
    return { faults: [withVariables(messageOf(error), config)], notices: [] }
  }
  if (!opened.ok) return { faults: [], notices: [`The streams are not checked: ${opened.reason}.`] }
  const { provisioner } = opened
  try {
    const faults = new Set<string>()
    const notices = new Set<string>()
    for (const check of await provisioner.check()) {
      if (check.type === 'unknown' && check.isPassing) {
        notices.add(check.sentence)
      } else if (config.provision) {
        const done = await provisioner.provision(check)
        if (!done.ok) faults.add(done.sentence)
        else if (done.change !== 'none') notices.add(`Stream ${check.wanted.name}: ${done.change}.`)
      } else {
        const fault = faultOf(check)
        if (fault !== undefined) faults.add(fault)
      }
    }
    return { faults: [...faults], notices: [...notices] }
  } finally {
    await provisioner.close()
  }
}

const how = `run \`tidegate provision\`, or set ${variableOf('provision')}=true`

function faultOf(check: StreamCheck): string | undefined {
  const { name } = check.wanted
  switch (check.type) {
    case 'fit':
      return undefined
    case 'missing':
      return `Namespace ${check.namespace} has no stream ${name}: ${how}.`
    case 'different':
      return `Stream ${name} is not as configured (${check.lines.join('; ')}): ${how}.`
    case 'unfit':
    case 'unknown':
      return check.sentence
  }
}
