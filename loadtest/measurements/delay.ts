/** The time from a publisher's NATS to the client's socket, at a steady rate. */
import { alternate, type Lab, type Measurement, type Row, type Side } from '../measurement.js'
import { percentile } from '../percentiles.js'
import { deliver } from './deliveries.js'

const ranks: readonly (readonly [string, number, number | undefined])[] = [
  ['p50', 0.5, 1],
  ['p99', 0.99, 5],
  ['p99.9', 0.999, undefined],
]

export const delay: Measurement = {
  name: 'delay',
  summary: 'delay from NATS to socket, p50, p99 and p99.9, at 1,000 messages a second',
  run: async (lab) => {
    const { sockets, messagesPerSecond, rounds } = lab.sizes.delay
    return lab.withSides(sockets, [], async (sides) => {
      for (const { target, fleet } of [sides.gateway, sides.bare]) {
        await fleet.open('websocket', target.endpoint('websocket'), sockets)
      }
      lab.progress('delay: warm-up')
      await alternate(1, sides, (side) => delays(lab, side))
      const measured = await alternate(rounds, sides, (side, round) => {
        lab.progress(`delay: ${side.target.name}, round ${round + 1} of ${rounds}`)
        return delays(lab, side)
      })
      return ranks.map(([rank, fraction, max]): Row => {
        const ms = (round: Uint32Array): number => percentile(round, fraction) / 1000
        const what = `delay NATS to socket, ${messagesPerSecond}/s to ${sockets}, ${rank}`
        const gateway = measured.gateway.map(ms)
        const bare = measured.bare.map(ms)
        const row = { name: `delay-${rank}`, what, unit: 'ms', gateway, bare } as const
        return max === undefined ? row : { ...row, budget: { of: 'gateway', max } }
      })
    })
  },
}

/** In µs, sorted; one for each delivery. */
async function delays(lab: Lab, side: Side): Promise<Uint32Array> {
  const { messagesPerSecond, seconds } = lab.sizes.delay
  await side.fleet.record()
  await deliver(lab, side, { perTick: 1, ticksPerSecond: messagesPerSecond, seconds })
  return side.fleet.delays()
}
