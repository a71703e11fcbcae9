/** CPU of an empty poll round: request, wait, empty answer, over keep-alive connections. */
import { alternate, type Lab, type Measurement, type Row, type Side } from '../measurement.js'
import { cpuNs } from '../proc-stat.js'
import { untilQuiet } from '../target.js'
import { pause } from '../wait.js'

interface PollLoad {
  readonly connections: number
  readonly seconds: number
  readonly rounds: number
  readonly waitSeconds: number
}

export const pollRound: Measurement = {
  name: 'poll',
  summary: 'CPU of an empty long-poll round (wait 1 s) and short-poll round (wait 0)',
  run: async (lab) => {
    const long = { ...lab.sizes.poll, waitSeconds: 1 }
    const short = { ...lab.sizes.shortPoll, waitSeconds: 0 }
    return [
      {
        ...(await row(lab, 'long-poll', 'CPU of an empty long-poll round', long)),
        budget: { of: 'ratio', max: 3 },
      },
      await row(lab, 'short-poll', 'CPU of an empty short-poll round', short),
    ]
  },
}

async function row(lab: Lab, name: string, what: string, load: PollLoad): Promise<Row> {
  return lab.withSides(load.connections, [], async (sides) => {
    lab.progress(`${name}: warm-up`)
    await alternate(1, sides, (side) => cpuPerRound(side, load))
    const values = await alternate(load.rounds, sides, (side, round) => {
      lab.progress(`${name}: ${side.target.name}, round ${round + 1} of ${load.rounds}`)
      return cpuPerRound(side, load)
    })
    return { name, what, unit: 'µs', ...values }
  })
}

/** All connections poll again and again; connecting them is not in the window. */
async function cpuPerRound(side: Side, load: PollLoad): Promise<number> {
  await untilQuiet(side.target)
  await side.fleet.open('poll', side.target.endpoint('poll', load.waitSeconds), load.connections)
  await pause(load.waitSeconds * 1000 + 500)
  const start = await side.fleet.counts()
  const before = cpuNs(side.target.pid)
  await pause(load.seconds * 1000)
  const used = cpuNs(side.target.pid) - before
  const end = await side.fleet.counts()
  await side.fleet.close()
  return used / 1000 / (end.answers - start.answers)
}
