/** Publishes to all sockets of one side, and waits until every one has got everything. */
import type { Lab, Side } from '../measurement.js'
import { cpuNs } from '../proc-stat.js'
import { untilQuiet } from '../target.js'
import { waitFor } from '../wait.js'

export interface Load {
  readonly perTick: number
  readonly ticksPerSecond: number
  readonly seconds: number
}

/** Who publishes, over the NATS that the side's server listens to. */
export type Publishing = Pick<Lab, 'publisher'>

const arrivalMs = 30_000

/** CPU of the server per delivery, in µs. */
export async function cpuPerDelivery(lab: Publishing, side: Side, load: Load): Promise<number> {
  await untilQuiet(side.target)
  const before = cpuNs(side.target.pid)
  const deliveries = await deliver(lab, side, load)
  return (cpuNs(side.target.pid) - before) / 1000 / deliveries
}

/** Returns the number of deliveries: each message to each socket, all seen by the client. */
export async function deliver(lab: Publishing, side: Side, load: Load): Promise<number> {
  const { target, fleet } = side
  const start = await fleet.counts()
  const published = await lab.publisher.publish({
    subject: target.subject,
    envelopeBytes: target.envelopeBytes,
    perTick: load.perTick,
    ticksPerSecond: load.ticksPerSecond,
    isStored: target.isDurable,
    ticks: Math.max(1, Math.round(load.ticksPerSecond * load.seconds)),
  })
  const expected = published * start.open
  await waitFor(
    `${expected} deliveries by the ${target.name}`,
    async () => (await fleet.counts()).publications - start.publications >= expected,
    arrivalMs,
  )
  return expected
}
