/** CPU of a WebSocket handshake: HS256 token and welcome against the bare engine's upgrade. */
import { alternate, type Lab, type Measurement, type Side } from '../measurement.js'
import { cpuNs } from '../proc-stat.js'
import { untilQuiet } from '../target.js'

export const handshake: Measurement = {
  name: 'handshake',
  summary: 'CPU of a WebSocket handshake with an HS256 token',
  run: async (lab) => {
    const { count, rounds } = lab.sizes.handshake
    return lab.withSides(count, [], async (sides) => {
      lab.progress('handshake: warm-up')
      await alternate(1, sides, (side) => cpuPerHandshake(lab, side))
      const values = await alternate(rounds, sides, (side, round) => {
        lab.progress(`handshake: ${side.target.name}, round ${round + 1} of ${rounds}`)
        return cpuPerHandshake(lab, side)
      })
      const budget = { of: 'ratio', max: 2 } as const
      const what = 'CPU of a handshake, HS256'
      return [{ name: 'handshake', what, unit: 'µs', ...values, budget }]
    })
  },
}

async function cpuPerHandshake(lab: Lab, side: Side): Promise<number> {
  const { count } = lab.sizes.handshake
  await untilQuiet(side.target)
  const before = cpuNs(side.target.pid)
  await side.fleet.open('websocket', side.target.endpoint('websocket'), count)
  const used = cpuNs(side.target.pid) - before
  await side.fleet.counts()
  await side.fleet.close()
  return used / 1000 / count
}
