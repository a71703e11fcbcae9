/** Whether the cost of a delivery stays the same while the connections of a node grow. */
import { alternate, type Measurement, type Row } from '../measurement.js'
import { cpuPerDelivery } from './deliveries.js'

export const connections: Measurement = {
  name: 'connections',
  summary: 'CPU per delivery at 1,000, 5,000 and 15,000 connections',
  run: async (lab) => {
    const { counts, deliveriesPerSecond, seconds, rounds } = lab.sizes.connections
    return lab.withSides(Math.max(...counts), [], async (sides) => {
      const rows: Row[] = []
      let open = 0
      for (const count of counts) {
        lab.progress(`connections: ${count} to each server`)
        for (const { target, fleet } of [sides.gateway, sides.bare]) {
          await fleet.open('websocket', target.endpoint('websocket'), count - open)
        }
        open = count
        const load = { perTick: 1, ticksPerSecond: deliveriesPerSecond / count, seconds }
        await alternate(1, sides, (side) => cpuPerDelivery(lab, side, load))
        const values = await alternate(rounds, sides, (side, round) => {
          lab.progress(`connections: ${count}, ${side.target.name}, round ${round + 1}`)
          return cpuPerDelivery(lab, side, load)
        })
        const what = `CPU per delivery at ${count} connections`
        rows.push({ name: `connections-${count}`, what, unit: 'µs', ...values })
      }
      return rows
    })
  },
}
