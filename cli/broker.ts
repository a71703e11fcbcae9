/** The broker that the configuration asks for. */
import { variableOf, type Config } from '../gateway/config.js'
import type { Broker } from '../hub/broker.js'
import type { Clock } from '../hub/clock.js'
import { MemoryBroker } from '../hub/memory-broker.js'
import { createNatsBroker } from '../hub/nats-broker.js'
import { messageOf } from './command.js'

const fileKeys = [
  'natsCredentialsFile',
  'natsNkeyFile',
  'natsCaFile',
  'natsCertFile',
  'natsKeyFile',
] as const

/** Rejects with a sentence, which names the settings, when what leads to NATS cannot be used. */
export async function createBroker(
  config: Config,
  clock: Clock,
  random: () => number,
): Promise<Broker> {
  if (config.natsUrls.length === 0) return new MemoryBroker()
  const options = {
    url: config.natsUrls.join(','),
    user: config.natsUser,
    password: config.natsPassword,
    token: config.natsToken,
    credentialsFile: config.natsCredentialsFile,
    nkeyFile: config.natsNkeyFile,
    caFile: config.natsCaFile,
    certFile: config.natsCertFile,
    keyFile: config.natsKeyFile,
  }
  try {
    return await createNatsBroker(options, clock, random)
  } catch (error) {
    throw new Error(withVariables(messageOf(error), config))
  }
}

/** The hub knows no variables: it says the path of the file that cannot be used. */
function withVariables(message: string, config: Config): string {
  const isNamed = (path: string | undefined): boolean =>
    path !== undefined && message.split(/[\s,:]+/).includes(path)
  const variables = fileKeys.filter((key) => isNamed(config[key])).map(variableOf)
  return `${variables.length === 0 ? 'TIDEGATE_NATS_…' : variables.join(', ')}: ${message}`
}
