/** Process memory of one more idle WebSocket, event stream and pending long-poll. */
import { turns, type Lab, type Measurement, type Row, type Side } from '../measurement.js'
import { settledMemory, type ConnectionKind } from '../target.js'

/** New processes each round, and a young generation of one size: its growth would hide the rest. */
const nodeFlags = ['--min-semi-space-size=1', '--max-semi-space-size=1']

/** Longer than a round takes, so that no poll is answered in the middle. */
const pollWaitSeconds = 55

const kinds: readonly (readonly [ConnectionKind, string])[] = [
  ['websocket', 'memory per idle WebSocket'],
  ['sse', 'memory per idle event stream'],
  ['poll', 'memory per pending long-poll'],
]

export const idleMemory: Measurement = {
  name: 'memory',
  summary: 'process memory per idle WebSocket, event stream and pending long-poll',
  run: async (lab) => {
    const rows: Row[] = []
    for (const [kind, what] of kinds) {
      const values: { gateway: number[]; bare: number[] } = { gateway: [], bare: [] }
      const { base, count, rounds } = lab.sizes.memory
      for (let round = 0; round < rounds; round += 1) {
        await lab.withSides(base + count, nodeFlags, async (sides) => {
          for (const key of turns(round)) {
            const side = sides[key]
            lab.progress(`${what}: ${side.target.name}, round ${round + 1} of ${rounds}`)
            values[key].push(await grow(lab, side, kind))
          }
        })
      }
      const budget = { of: 'gateway', max: 2048 } as const
      rows.push({ name: `memory-${kind}`, what, unit: 'B', ...values, budget })
    }
    return rows
  },
}

/** The slope between two counts: what the first connections cost once is not in it. */
async function grow(lab: Lab, side: Side, kind: ConnectionKind): Promise<number> {
  const { base, count } = lab.sizes.memory
  const endpoint = side.target.endpoint(kind, kind === 'poll' ? pollWaitSeconds : undefined)
  await side.fleet.open(kind, endpoint, base)
  const before = await settledMemory(side.target)
  await side.fleet.open(kind, endpoint, count)
  const after = await settledMemory(side.target)
  const { open, answers } = await side.fleet.counts()
  if (open !== base + count) throw new Error(`${open} of ${base + count} connections are open`)
  if (answers > 0) throw new Error('a poll was answered before the memory was read')
  await side.fleet.close()
  return (after - before) / count
}
