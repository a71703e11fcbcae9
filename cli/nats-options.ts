/** How the configuration says to reach NATS; its faults are told in the names of settings. */
import { variableOf, type Config } from '../gateway/config.js'
import type { NatsOptions } from '../hub/nats-options.js'

const fileKeys = [
  'natsCredentialsFile',
  'natsNkeyFile',
  'natsCaFile',
  'natsCertFile',
  'natsKeyFile',
] as const

export function natsOptionsOf(config: Config): NatsOptions {
  return {
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
}

/** The hub knows no variables: it says the path of the file that cannot be used. */
export function withVariables(message: string, config: Config): string {
  const isNamed = (path: string | undefined): boolean =>
    path !== undefined && message.split(/[\s,:]+/).includes(path)
  const variables = fileKeys.filter((key) => isNamed(config[key])).map(variableOf)
  return `${variables.length === 0 ? 'TIDEGATE_NATS_…' : variables.join(', ')}: ${message}`
}
