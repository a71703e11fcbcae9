/** What a history costs on the live path: JetStream's republish beside NATS alone, one gateway. */
import { gatewayTarget } from '../gateway-target.js'
import { withHistory } from '../history-lab.js'
import { alternate, type Measurement, type Row, type Side } from '../measurement.js'
import { percentile } from '../percentiles.js'
import { cpuNs } from '../proc-stat.js'
import { deliver, type Publishing } from './deliveries.js'

const ranks: readonly (readonly [string, number, number | undefined])[] = [
  ['p50', 0.5, 1],
  ['p99', 0.99, 5],
  ['p99.9', 0.999, undefined],
]

const namespaces = { kept: {}, live: { history: false } }

interface Window {
  /** In µs, sorted; one for each delivery. */
  readonly delays: Uint32Array
  readonly cpuMicrosPerPublication: number
}

export const durableDelay: Measurement = {
  name: 'durable-delay',
  summary:
    'delay and CPU of durable publications (acknowledged, republished) beside ephemeral ones',
  isGatewayOnly: true,
  run: (lab) =>
    withHistory(lab, async (history) => {
      const { sockets, messagesPerSecond, rounds } = lab.sizes.durableDelay
      const settings = { TIDEGATE_NAMESPACES: JSON.stringify(namespaces) }
      const gateway = await history.startGateway(settings)
      const side = (channel: string, isDurable: boolean): Side => ({
        target: gatewayTarget(gateway, channel, { isDurable }),
        fleet: history.startFleet(sockets),
      })
      const sides = { gateway: side('kept.shared', true), bare: side('live.shared', false) }
      for (const { target, fleet } of [sides.gateway, sides.bare]) {
        await fleet.open('websocket', target.endpoint('websocket'), sockets)
      }
      const load = { perTick: 1, ticksPerSecond: messagesPerSecond, ...lab.sizes.durableDelay }
      lab.progress('durable-delay: warm-up')
      await alternate(1, sides, (one) => measure(history, one, load))
      const { gateway: durable, bare: ephemeral } = await alternate(rounds, sides, (one, round) => {
        const kind = one.target.isDurable ? 'durable' : 'ephemeral'
        lab.progress(`durable-delay: ${kind}, round ${round + 1} of ${rounds}`)
        return measure(history, one, load)
      })
      await Promise.all([sides.gateway.fleet.stop(), sides.bare.fleet.stop()])
      await gateway.stop()
      return rowsOf(durable, ephemeral, `${messagesPerSecond}/s to ${sockets}`)
    }),
}

async function measure(
  publishing: Publishing,
  side: Side,
  load: { perTick: number; ticksPerSecond: number; seconds: number },
): Promise<Window> {
  const { open } = await side.fleet.counts()
  await side.fleet.record()
  const before = cpuNs(side.target.pid)
  const deliveries = await deliver(publishing, side, load)
  const cpuMicros = (cpuNs(side.target.pid) - before) / 1000
  const delays = await side.fleet.delays()
  return { delays, cpuMicrosPerPublication: cpuMicros / (deliveries / open) }
}

function rowsOf(
  durable: readonly Window[],
  ephemeral: readonly Window[],
  how: string,
): readonly Row[] {
  const rows = ranks.map(([rank, fraction, max]): Row => {
    const ms = ({ delays }: Window): number => percentile(delays, fraction) / 1000
    return {
      name: `durable-delay-${rank}`,
      what: `delay of durable publications, ${how}, ${rank}`,
      unit: 'ms',
      gateway: durable.map(ms),
      beside: { name: 'ephemeral', values: ephemeral.map(ms) },
      ...(max !== undefined && { budget: { of: 'gateway', max } }),
    }
  })
  const cpu = (window: Window): number => window.cpuMicrosPerPublication
  const what = `gateway CPU per durable publication, ${how}`
  const beside = { name: 'ephemeral', values: ephemeral.map(cpu) }
  const gateway = durable.map(cpu)
  const added = gateway.map((value, round) => value - (beside.values[round] as number))
  const name = 'durable-delay-cpu'
  return [
    ...rows,
    { name, what, unit: 'µs', gateway, beside },
    { name: `${name}-added`, what: 'CPU that durability adds to it', unit: 'µs', gateway: added },
  ]
}
