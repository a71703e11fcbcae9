/** The setting `TIDEGATE_RECOVERY_COSTS`: what reading costs, by the storage of the namespace. */
import { z } from 'zod'
import { recoveryCosts, type RecoveryCosts } from '../hub/recovery-plan.js'
import { jsonOf } from './config-namespaces.js'
import type { Setting } from './config-setting.js'

type Storage = keyof typeof recoveryCosts

/** A day, in µs: what costs so much is never chosen. */
const costMax = 86_400_000_000

const error = 'must be a number from 0 to 86400000000'
const cost = z.number({ error }).min(0, { error }).max(costMax, { error }).optional()

const members = Object.keys(recoveryCosts.file) as (keyof RecoveryCosts)[]
const named = members.map((member) => `\`${member}\``).join(', ')

const given = z.strictObject(
  Object.fromEntries(members.map((member) => [member, cost])) as Record<
    keyof RecoveryCosts,
    typeof cost
  >,
  { error: `must be an object with no other members than ${named}` },
)

const schema = z
  .preprocess(jsonOf, z.strictObject({ file: given.optional(), memory: given.optional() }))
  .transform((costs): Readonly<Record<Storage, RecoveryCosts>> =>
    Object.freeze({ file: costsOf('file', costs.file), memory: costsOf('memory', costs.memory) }),
  )

function costsOf(storage: Storage, costs: z.infer<typeof given> | undefined): RecoveryCosts {
  const measured = recoveryCosts[storage]
  const entries = members.map((member) => [member, costs?.[member] ?? measured[member]] as const)
  return Object.freeze(Object.fromEntries(entries) as Record<keyof RecoveryCosts, number>)
}

export const recoveryCostsSetting: Setting<Readonly<Record<Storage, RecoveryCosts>>> = {
  env: 'TIDEGATE_RECOVERY_COSTS',
  fallback: recoveryCosts,
  allowed: `JSON by storage, \`file\` and \`memory\`: numbers from 0 on of ${named}`,
  help:
    'what reading costs, for the recovery planner; measured by ' +
    '`npm run bench -- --only recovery-costs`; what is left out is as it was measured for us',
  schema,
  isSecret: false,
}
