/** The setting `TIDEGATE_NAMESPACES`: which namespaces there are, and what each of them allows. */
import { z } from 'zod'
import {
  defaultHistory,
  type HistorySettings,
  type Namespace,
  type Namespaces,
} from '../hub/namespaces.js'
import type { Setting } from './config-setting.js'

/** zod's own words do not say what is allowed. */
function whole(min: number, max: number): z.ZodNumber {
  const error = `must be a whole number from ${min} to ${max}`
  return z.int({ error }).min(min, { error }).max(max, { error })
}

const historyAllowed =
  'must be `false`, or an object with no other members than `messagesPerChannel`, ' +
  '`maxAgeSeconds`, `maxBytes`, `storage` and `replicas`'

const history = z.strictObject(
  {
    messagesPerChannel: whole(1, 1_000_000).optional(),
    maxAgeSeconds: whole(1, 31_536_000).optional(),
    maxBytes: whole(1_024, Number.MAX_SAFE_INTEGER).optional(),
    storage: z.enum(['file', 'memory'], { error: 'must be `file` or `memory`' }).optional(),
    replicas: whole(1, 5).optional(),
  },
  { error: historyAllowed },
)

const namespace = z.strictObject(
  {
    history: z.union([z.literal(false), history], { error: historyAllowed }).optional(),
    patterns: z.boolean({ error: 'must be `true` or `false`' }).optional(),
  },
  { error: 'must be an object with no other members than `history` and `patterns`' },
)

/** The first token of a channel (PROTOCOL 2). */
const namespaceName = z.string().regex(/^[A-Za-z0-9_\-:@]{1,160}$/)
const nameAllowed = 'the name of a namespace must be 1 to 160 of the characters A-Z a-z 0-9 _ - : @'

const schema = z
  .preprocess(jsonOf, z.record(namespaceName, namespace, { error: nameAllowed }))
  // Without any, the node would refuse every channel.
  .refine((given) => Object.keys(given).length > 0)
  .transform((given): Namespaces => new Map(Object.entries(given).map(entryOf)))

function entryOf([name, given]: [string, z.infer<typeof namespace>]): [string, Namespace] {
  const history = given.history === false ? undefined : historyOf(given.history ?? {})
  return [name, Object.freeze({ history, patterns: given.patterns ?? false })]
}

function historyOf(given: z.infer<typeof history>): HistorySettings {
  return Object.freeze({
    messagesPerChannel: given.messagesPerChannel ?? defaultHistory.messagesPerChannel,
    maxAgeSeconds: given.maxAgeSeconds ?? defaultHistory.maxAgeSeconds,
    maxBytes: given.maxBytes ?? defaultHistory.maxBytes,
    storage: given.storage ?? defaultHistory.storage,
    replicas: given.replicas ?? defaultHistory.replicas,
  })
}

/** A text that is no JSON is passed on as it is, for the schema to refuse. */
export function jsonOf(given: unknown): unknown {
  if (typeof given !== 'string') return given
  try {
    return JSON.parse(given) as unknown
  } catch {
    return given
  }
}

/** As it would be given. */
export const defaultNamespaces: Readonly<Record<string, object>> = { default: {} }

export const namespacesSetting: Setting<Namespaces> = {
  env: 'TIDEGATE_NAMESPACES',
  fallback: new Map(Object.entries(defaultNamespaces).map(entryOf)),
  allowed:
    'JSON of one namespace or more: by name, `history` (`false`, or `messagesPerChannel`, ' +
    '`maxAgeSeconds`, `maxBytes`, `storage` `file` or `memory`, `replicas` 1 to 5) and ' +
    '`patterns` (`true` or `false`)',
  help: 'the namespaces, each with a history unless it is `false`; other channels are refused',
  schema,
  isSecret: false,
}
