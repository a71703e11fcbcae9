/** A reconnect storm on a node that knows nothing: every client has a channel, and missed three. */
import { Bystanders } from '../bystanders.js'
import type { Settings } from '../gateway-process.js'
import type { Lab, Measurement, Row } from '../measurement.js'
import { percentile } from '../percentiles.js'
import {
  choicesOf,
  comeBack,
  onRecoveryStage,
  secondsAfterHandshakes,
  settle,
  type RecoveryStage,
  type StormFigures,
} from '../recovery-stage.js'
import { pause } from '../wait.js'

interface Storm extends StormFigures {
  /** Of the bystanders, in µs, sorted. */
  readonly delaysBefore: Uint32Array
  readonly delaysDuring: Uint32Array
}

/** No scan is ever worth it. */
const singleReadsOnly: Settings = {
  TIDEGATE_RECOVERY_COSTS: '{"file":{"scanFixedUs":86400000000}}',
}

const bystandersChannel = 'storm.bystanders'

export const recoveryStorm: Measurement = {
  name: 'recovery-storm',
  summary: '15,000 clients with a channel and three missed publications each, on a fresh node',
  isGatewayOnly: true,
  run: (lab) =>
    onRecoveryStage(lab, 'recovery-storm', async (stage) => {
      const { rounds } = lab.sizes.storm
      const planned: Storm[] = []
      const singly: Storm[] = []
      for (let round = 0; round < rounds; round += 1) {
        lab.progress(`recovery-storm: the planner, round ${round + 1} of ${rounds}`)
        planned.push(await storm(lab, stage, {}))
        lab.progress(`recovery-storm: single reads only, round ${round + 1} of ${rounds}`)
        singly.push(await storm(lab, stage, singleReadsOnly))
      }
      return rowsOf(planned, singly)
    }),
}

async function storm(lab: Lab, stage: RecoveryStage, settings: Settings): Promise<Storm> {
  const { clients, bystanders, bystandersPerSecond, beforeSeconds } = lab.sizes.storm
  const { history } = stage
  const gateway = await stage.freshGateway(settings)
  const size = { count: bystanders, perSecond: bystandersPerSecond }
  const watching = await Bystanders.open(history, gateway, bystandersChannel, size)
  const fleet = history.startFleet(clients).giveWay()
  await watching.during(() => pause(1000))
  await settle(stage, gateway)
  const [, delaysBefore] = await watching.during(() => pause(beforeSeconds * 1000))
  const [figures, delaysDuring] = await watching.during(() =>
    comeBack(stage, gateway, fleet, stage.behind),
  )
  await watching.end()
  const seconds = secondsAfterHandshakes(figures).toFixed(2)
  lab.progress(`  ${seconds} s after the last handshake; ${await choicesOf(gateway)}`)
  await fleet.stop()
  await gateway.stop()
  return { ...figures, delaysBefore, delaysDuring }
}

interface Figure {
  readonly name: string
  readonly what: string
  readonly unit: Row['unit']
  readonly max?: number
  readonly of: (storm: Storm) => number
}

const figures: readonly Figure[] = [
  {
    name: 'after-handshakes',
    what: 'from the last handshake to the last recovered',
    unit: 's',
    max: 3,
    of: secondsAfterHandshakes,
  },
  {
    name: 'in-all',
    what: 'from the first handshake to the last recovered',
    unit: 's',
    of: (storm) => (storm.lastRecoveredAtMicros - storm.beganAtMicros) / 1e6,
  },
  {
    name: 'nats-cpu',
    what: 'nats-server CPU in that time',
    unit: 's',
    max: 2,
    of: (storm) => storm.natsCpuNs / 1e9,
  },
  {
    name: 'gateway-cpu',
    what: 'gateway CPU in that time',
    unit: 's',
    of: (storm) => storm.gatewayCpuNs / 1e9,
  },
  {
    name: 'wait-p50',
    what: 'a client: subscribe to third publication, p50',
    unit: 'ms',
    of: (storm) => percentile(storm.waits, 0.5) / 1000,
  },
  {
    name: 'wait-p99',
    what: 'the same, p99',
    unit: 'ms',
    of: (storm) => percentile(storm.waits, 0.99) / 1000,
  },
  {
    name: 'bystanders-before-p99',
    what: 'delay to bystanders before, p99',
    unit: 'ms',
    of: (storm) => percentile(storm.delaysBefore, 0.99) / 1000,
  },
  {
    name: 'bystanders-p50',
    what: 'delay to bystanders meanwhile, p50',
    unit: 'ms',
    of: (storm) => percentile(storm.delaysDuring, 0.5) / 1000,
  },
  {
    name: 'bystanders-p99',
    what: 'the same, p99',
    unit: 'ms',
    max: 50,
    of: (storm) => percentile(storm.delaysDuring, 0.99) / 1000,
  },
]

function rowsOf(planned: readonly Storm[], singly: readonly Storm[]): readonly Row[] {
  return figures.map(({ name, what, unit, max, of }): Row => ({
    name: `recovery-storm-${name}`,
    what: `storm: ${what}`,
    unit,
    gateway: planned.map(of),
    beside: { name: 'single reads only', values: singly.map(of) },
    ...(max !== undefined && { budget: { of: 'gateway', max } }),
  }))
}
