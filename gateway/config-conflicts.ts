/** Settings that are good one by one, and not together. */
import { settings, type Config } from './config-schema.js'
import type { ConfigFault } from './config-setting.js'

interface Rule {
  /** The setting that is to blame, and what it is held against. */
  readonly key: keyof Config
  readonly others?: readonly (keyof Config)[]
  readonly isBroken: (config: Config, connectionsCap: number) => boolean
  readonly message: (config: Config, connectionsCap: number) => string
}

const rules: readonly Rule[] = [
  {
    key: 'connectionsMax',
    isBroken: ({ connectionsMax }, cap) => connectionsMax > cap,
    message: ({ connectionsMax }, cap) =>
      `=${connectionsMax}: must be a whole number from 0 to ${cap}, as so many files may be open`,
  },
  atMost('publicationBytesMax', 'frameBytesMax'),
  atMost('outboxBytesMax', 'outboxesBytesMax'),
  atMost('ringBytesMax', 'ringsBytesMax'),
  atMost('publicationBytesMax', 'recoveryBytesMax'),
  atMost('recoveryBytesMax', 'recoveriesBytesMax'),
  together('natsPassword', 'natsUser'),
  together('natsCertFile', 'natsKeyFile'),
  together('natsKeyFile', 'natsCertFile'),
  ...(
    [
      'natsUser',
      'natsToken',
      'natsCredentialsFile',
      'natsNkeyFile',
      'natsCaFile',
      'natsCertFile',
    ] as const
  ).map((key): Rule => ({
    key,
    others: ['natsUrls'],
    isBroken: (config) => config[key] !== undefined && config.natsUrls.length === 0,
    message: () => `: is given without ${settings.natsUrls.env}`,
  })),
]

const keySources = ['jwtPublicKeyFiles', 'jwksFile', 'jwksUrl'] as const

/** For a node only: a command that publishes over NATS verifies no token. */
const keyRule: Rule = {
  key: 'jwtSecrets',
  others: keySources,
  isBroken: ({ jwtSecrets, jwtPublicKeyFiles, jwksFile, jwksUrl }) =>
    jwtSecrets.length + jwtPublicKeyFiles.length === 0 && (jwksFile ?? jwksUrl) === undefined,
  message: () => {
    const [files, file, url] = keySources.map((key) => settings[key].env)
    return `: no key to verify tokens with; set it, or ${files}, ${file} or ${url}`
  },
}

type NumberKey = { [Key in keyof Config]: Config[Key] extends number ? Key : never }[keyof Config]

function atMost(key: NumberKey, other: NumberKey): Rule {
  return {
    key,
    others: [other],
    isBroken: (config) => config[key] > config[other],
    message: (config) =>
      `=${config[key]}: must be at most ${settings[other].env}, which is ${config[other]}`,
  }
}

function together(key: keyof Config, other: keyof Config): Rule {
  return {
    key,
    others: [other],
    isBroken: (config) => config[key] !== undefined && config[other] === undefined,
    message: () => `: is given without ${settings[other].env}`,
  }
}

export interface ConflictBounds {
  readonly connectionsCap: number
  readonly needsKey: boolean
}

/** Rules about a setting that is faulty itself are left out: nothing is known of its value. */
export function findConflicts(
  config: Config,
  { connectionsCap, needsKey }: ConflictBounds,
  isFaulty: (key: keyof Config) => boolean,
): ConfigFault[] {
  return [...rules, ...(needsKey ? [keyRule] : [])]
    .filter(({ key, others = [] }) => ![key, ...others].some(isFaulty))
    .filter(({ isBroken }) => isBroken(config, connectionsCap))
    .map(({ key, message }) => {
      const name = settings[key].env
      return { name, message: name + message(config, connectionsCap) }
    })
}
