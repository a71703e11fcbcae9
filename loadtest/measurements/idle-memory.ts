/** Process memory of one more idle WebSocket, event stream and pending long-poll. */
import type { Lab, Measurement, Row, Sides } from '../measurement.js'
import { settledMemory, type ConnectionKind } from '../target.js'

/** New processes each round, and a young generation of one size: its growth would hide the rest. */
const nodeFlags = ['--min-semi-space-size=1', '--max-semi-space-size=1']

/** Longer than a round takes; on a slow machine the client polls again at once. */
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
    const { base, count, rounds } = lab.sizes.memory
    const rows: Row[] = []
    for (const [kind, what] of kinds) {
      const values: { gateway: number[]; bare: number[] } = { gateway: [], bare: [] }
      for (let round = 0; round < rounds; round += 1) {
        lab.progress(`${what}: round ${round + 1} of ${rounds}`)
        const { gateway, bare } = await lab.withSides(base + count, nodeFlags, (sides) =>
          grow(lab, sides, kind),
        )
        values.gateway.push(gateway)
        values.bare.push(bare)
      }
      const budget = { of: 'gateway', max: 2048 } as const
      rows.push({ name: `memory-${kind}`, what, unit: 'B', ...values, budget })
    }
    return rows
  },
}

interface PerSide {
  readonly gateway: number
  readonly bare: number
}

/** The slope between two counts: what the first connections cost once is not in it. */
async function grow(lab: Lab, sides: Sides, kind: ConnectionKind): Promise<PerSide> {
  const { base, count } = lab.sizes.memory
  const before = await open(lab, sides, kind, base)
  const after = await open(lab, sides, kind, count)
  for (const { target, fleet } of [sides.gateway, sides.bare]) {
    const { open } = await fleet.counts()
    if (open !== base + count) throw new Error(`${target.name}: ${open} connections are open`)
  }
  return {
    gateway: (after.gateway - before.gateway) / count,
    bare: (after.bare - before.bare) / count,
  }
}

/** Opens more on both servers, and reads the memory of both when both have come to rest. */
async function open(lab: Lab, sides: Sides, kind: ConnectionKind, count: number): Promise<PerSide> {
  for (const { target, fleet } of [sides.gateway, sides.bare]) {
    const endpoint = target.endpoint(kind, kind === 'poll' ? pollWaitSeconds : undefined)
    await fleet.open(kind, endpoint, count)
  }
  const { restSeconds } = lab.sizes.memory
  const [gateway, bare] = await Promise.all([
    settledMemory(sides.gateway.target, restSeconds),
    settledMemory(sides.bare.target, restSeconds),
  ])
  return { gateway, bare }
}
