/** CPU of one delivery from a channel to thousands of WebSockets, one and eight a tick. */
import { alternate, type Measurement, type Row } from '../measurement.js'
import { cpuPerDelivery } from './deliveries.js'

export const fanOut: Measurement = {
  name: 'fan-out',
  summary: 'CPU per delivery, 1 channel to 5,000 WebSockets, 1 and 8 messages a tick',
  run: async (lab) => {
    const { sockets, ticksPerSecond, seconds, rounds } = lab.sizes.fanOut
    return lab.withSides(sockets, [], async (sides) => {
      lab.progress(`fan-out: ${sockets} WebSockets to each server`)
      for (const { target, fleet } of [sides.gateway, sides.bare]) {
        await fleet.open('websocket', target.endpoint('websocket'), sockets)
      }
      const rows: Row[] = []
      for (const perTick of [1, 8]) {
        const load = { perTick, ticksPerSecond, seconds }
        await alternate(1, sides, (side) => cpuPerDelivery(lab, side, load))
        const values = await alternate(rounds, sides, (side, round) => {
          const part = `${perTick} a tick, ${side.target.name}, round ${round + 1} of ${rounds}`
          lab.progress(`fan-out: ${part}`)
          return cpuPerDelivery(lab, side, load)
        })
        const what = `CPU per delivery, ${sockets} WebSockets, ${perTick} a tick`
        const budget = { of: 'ratio', max: 1.15 } as const
        rows.push({ name: `fan-out-${perTick}`, what, unit: 'µs', ...values, budget })
      }
      return rows
    })
  },
}
