/** The setting `TIDEGATE_NAMESPACES`: which namespaces there are, and what each of them allows. */
import { z } from 'zod'
import type { Namespace, Namespaces } from '../hub/namespaces.js'
import type { Setting } from './config-setting.js'

const history = z.strictObject({
  messagesPerChannel: z.int().min(1).max(1_000_000).optional(),
  maxAgeSeconds: z.int().min(1).max(31_536_000).optional(),
  maxBytes: z.int().min(1_024).optional(),
  storage: z.enum(['file', 'memory']).optional(),
  replicas: z.int().min(1).max(5).optional(),
})

const namespace = z.strictObject({
  history: z.union([z.literal(false), history]).optional(),
  patterns: z.boolean().optional(),
})

/** The first token of a channel (PROTOCOL 2). */
const namespaceName = z.string().regex(/^[A-Za-z0-9_\-:@]{1,160}$/, 'not a token of a channel')

const schema = z
  .preprocess(jsonOf, z.record(namespaceName, namespace))
  .transform((given): Namespaces => new Map(Object.entries(given).map(entryOf)))

function entryOf([name, given]: [string, z.infer<typeof namespace>]): [string, Namespace] {
  const isDurable = given.history !== false
  return [name, Object.freeze({ isDurable, patterns: given.patterns ?? false })]
}

/** A text that is no JSON is passed on as it is, for the schema to refuse. */
function jsonOf(given: unknown): unknown {
  if (typeof given !== 'string') return given
  try {
    return JSON.parse(given) as unknown
  } catch {
    return given
  }
}

export const namespacesSetting: Setting<Namespaces> = {
  env: 'TIDEGATE_NAMESPACES',
  fallback: new Map([['default', Object.freeze({ isDurable: true, patterns: false })]]),
  allowed:
    'JSON: by name, `history` (`false`, or `messagesPerChannel`, `maxAgeSeconds`, `maxBytes`, ' +
    '`storage` `file` or `memory`, `replicas` 1 to 5) and `patterns` (`true` or `false`)',
  help: 'the namespaces; a channel of any other is refused',
  schema,
  isSecret: false,
}
