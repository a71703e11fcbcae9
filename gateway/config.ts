/** Reads the configuration from the environment and a file, or says all that is wrong with it. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { settingEntries, settings, type Config } from './config-schema.js'
import { findConflicts } from './config-conflicts.js'
import { defaultNamespaces, jsonOf } from './config-namespaces.js'
import type { ConfigFault } from './config-setting.js'
import { connectionsCap, readFileLimit } from './file-limit.js'

export type { Config } from './config-schema.js'
export type { ConfigFault } from './config-setting.js'

export type Environment = Readonly<Record<string, string | undefined>>
export type SettingSource = 'default' | 'file' | 'environment'

export interface ConfigInputs {
  readonly env: Environment
  /** A JSON file with the same keys; what the environment says wins. */
  readonly file?: string | undefined
  /** What bounds `connectionsMax`; read from the system if absent. */
  readonly openFilesMax?: number | undefined
  /** A node needs a key to verify tokens with, and does not start without one. */
  readonly needsKey?: boolean | undefined
}

export interface LoadedConfig {
  readonly config: Config
  readonly sources: Readonly<Record<keyof Config, SettingSource>>
  /** As JSON, with what is of no effect yet: the log shows them so that they can be pasted. */
  readonly namespacesGiven: unknown
}

/** The configuration cannot be used. It lists every fault, so that one start finds them all. */
export class ConfigError extends Error {
  readonly faults: readonly ConfigFault[]

  constructor(faults: readonly ConfigFault[]) {
    super(faults.map((fault) => fault.message).join('\n'))
    this.name = 'ConfigError'
    this.faults = faults
  }
}

/** `TIDEGATE_…` variables that are no settings: the file's name, and a command's token. */
const commandVariables = ['TIDEGATE_CONFIG', 'TIDEGATE_TOKEN']

const schema = z.strictObject(
  Object.fromEntries(
    settingEntries.map(([, { env, schema, fallback }]) => [
      env,
      fallback === undefined ? schema.optional() : schema.default(() => fallback),
    ]),
  ),
)

/** The one place that reads the environment of the process. */
export function processEnvironment(): Environment {
  return process.env
}

/** Throws a `ConfigError`. */
export function loadConfig(inputs: ConfigInputs): Config {
  return loadConfigWithSources(inputs).config
}

/** Throws a `ConfigError`. */
export function loadConfigWithSources(inputs: ConfigInputs): LoadedConfig {
  const file = inputs.file === undefined ? { given: {} } : readConfigFile(inputs.file)
  const fromEnvironment = settingsOf(inputs.env)
  const given: Record<string, unknown> = { ...file.given, ...fromEnvironment }
  const sourceOf = (env: string): SettingSource => {
    if (env in fromEnvironment) return 'environment'
    return env in file.given ? 'file' : 'default'
  }

  const faults = file.fault === undefined ? [] : [file.fault]
  const faulty = new Set<string>()
  let parsed = schema.safeParse(given, { reportInput: true })
  if (!parsed.success) {
    const { issues } = parsed.error
    faults.push(...faultsOf(issues, given, sourceOf))
    for (const issue of issues) faulty.add(String(issue.path[0]))
    const isGood = ([env]: [string, unknown]): boolean => env in schema.shape && !faulty.has(env)
    parsed = schema.safeParse(Object.fromEntries(Object.entries(given).filter(isGood)))
  }
  const values = parsed.data ?? {}
  const entries = settingEntries.map(([key, { env }]) => [key, values[env]])
  const config = Object.fromEntries(entries) as { -readonly [Key in keyof Config]: Config[Key] }
  const cap = connectionsCap(inputs.openFilesMax ?? readFileLimit().openFilesMax)
  const bounds = { connectionsCap: cap, needsKey: inputs.needsKey ?? false }
  faults.push(...findConflicts(config, bounds, (key) => faulty.has(settings[key].env)))
  if (faults.length > 0) throw new ConfigError(faults)

  if (config.connectionsMax === 0) config.connectionsMax = cap
  const sources = settingEntries.map(([key, { env }]) => [key, sourceOf(env)])
  return {
    config: Object.freeze(config),
    sources: Object.fromEntries(sources) as LoadedConfig['sources'],
    namespacesGiven: jsonOf(given[settings.namespaces.env]) ?? defaultNamespaces,
  }
}

/** Every effective value and where it came from, secrets masked: for one line in the log. */
export function describeConfig({
  config,
  sources,
  namespacesGiven,
}: LoadedConfig): Record<string, { value: unknown; source: SettingSource }> {
  const values = { ...config, namespaces: namespacesGiven }
  return Object.fromEntries(
    settingEntries.map(([key, { env, isSecret }]) => {
      const value = isSecret ? masked(values[key]) : plain(values[key])
      return [env, { value, source: sources[key] }]
    }),
  )
}

/** An empty variable is an unset one: compose files and shells cannot say it otherwise. */
function settingsOf(env: Environment): Record<string, string> {
  const given: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('TIDEGATE_') || commandVariables.includes(name)) continue
    if (value !== undefined && value !== '') given[name] = value
  }
  return given
}

function readConfigFile(path: string): { given: Record<string, unknown>; fault?: ConfigFault } {
  const refuse = (what: string): { given: Record<string, unknown>; fault: ConfigFault } => {
    const name = 'TIDEGATE_CONFIG'
    return { given: {}, fault: { name, message: `${name}=${path}: the file ${what}` } }
  }
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : ''
    return refuse(`cannot be read${code}`)
  }
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    // The parser's own message quotes the text, and the text has secrets.
    return refuse('is not JSON')
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    return refuse('must hold one JSON object, with the names of the settings as keys')
  }
  return { given: { ...given } }
}

function faultsOf(
  issues: readonly z.core.$ZodIssue[],
  given: Readonly<Record<string, unknown>>,
  sourceOf: (env: string) => SettingSource,
): ConfigFault[] {
  const faults: ConfigFault[] = []
  for (const issue of issues) {
    // A key that is bad is the value of what it is a key of.
    const at = issue.code === 'invalid_key' ? issue.path.slice(0, -1) : issue.path
    const [env, ...path] = at.map(String)
    if (env === undefined) {
      const unknown = issue.code === 'unrecognized_keys' ? issue.keys : []
      faults.push(...unknown.map((name) => unknownSetting(name, given[name], sourceOf(name))))
      continue
    }
    const setting = settingEntries.find(([, { env: name }]) => name === env)?.[1]
    const isInside = issue.path.length > 1
    const value = setting?.isSecret === true ? '***' : shown(isInside ? issue.input : given[env])
    const name = [env, ...path].join('.')
    const must = isInside ? issue.message : `must be ${setting?.allowed ?? 'unset'}`
    faults.push({ name, message: `${name}=${value} (${sourceOf(env)}): ${must}` })
  }
  return faults
}

/** The value is not shown: it may be a secret under a misspelt name. */
function unknownSetting(name: string, value: unknown, source: SettingSource): ConfigFault {
  const known = 'there is no such setting; the README lists them all'
  // Kubernetes sets these for a Service called `tidegate`.
  const isServiceLink = typeof value === 'string' && /_(?:SERVICE_|TCP|UDP)/.test(name)
  const hint = isServiceLink ? '; if Kubernetes set it, use `enableServiceLinks: false`' : ''
  return { name, message: `${name} (${source}): ${known}${hint}` }
}

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined')
  const safe = withoutCredentials(text).replace(/[^\x20-\x7e]/g, '?')
  return safe.length > 100 ? `${safe.slice(0, 100)}…` : safe
}

/** An address may have user and password before its host. */
function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/\s]*@/g, '//***@')
}

function masked(value: unknown): unknown {
  if (value === undefined) return null
  return Array.isArray(value) ? value.map(() => '***') : '***'
}

function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  return typeof value === 'string' ? withoutCredentials(value) : (value ?? null)
}

/** The name of the environment variable of a setting. */
export function variableOf(key: keyof Config): string {
  return settings[key].env
}
