/** Settings that are good one by one, and not together. */
import { settings, type Config } from './config-schema.js'
import type { ConfigFault } from './config-setting.js'

interface Rule {
  /** The setting that is to blame, and what it is held against. */
  readonly key: keyof Config
  readonly other?: keyof Config
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
    other: 'natsUrls',
    isBroken: (config) => config[key] !== undefined && config.natsUrls.length === 0,
    message: () => `: is given without ${settings.natsUrls.env}`,
  })),
]

type NumberKey = { [Key in keyof Config]: Config[Key] extends number ? Key : never }[keyof Config]

function atMost(key: NumberKey, other: NumberKey): Rule {
  return {
    key,
    other,
    isBroken: (config) => config[key] > config[other],
    message: (config) =>
      `=${config[key]}: must be at most ${settings[other].env}, which is ${config[other]}`,
  }
}

function together(key: keyof Config, other: keyof Config): Rule {
  return {
    key,
    other,
    isBroken: (config) => config[key] !== undefined && config[other] === undefined,
    message: () => `: is given without ${settings[other].env}`,
  }
}

/** Rules about a setting that is faulty itself are left out: nothing is known of its value. */
export function findConflicts(
  config: Config,
  connectionsCap: number,
  isFaulty: (key: keyof Config) => boolean,
): ConfigFault[] {
  return rules
    .filter(({ key, other }) => !isFaulty(key) && (other === undefined || !isFaulty(other)))
    .filter(({ isBroken }) => isBroken(config, connectionsCap))
    .map(({ key, message }) => {
      const name = settings[key].env
      return { name, message: name + message(config, connectionsCap) }
    })
}
