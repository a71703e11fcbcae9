/** Memory of a gateway per channel with durable interest, and per publication in a ring. */
import type { Fleet } from '../fleet.js'
import type { GatewayProcess, Settings } from '../gateway-process.js'
import { endpointOf, withHistory, type HistoryLab } from '../history-lab.js'
import type { Lab, Measurement, Row } from '../measurement.js'
import { StoredChannels } from '../stored-channels.js'
import { settledMemory } from '../target.js'
import { waitFor } from '../wait.js'

/** As for connections: the growth of a young generation would hide the rest. */
const nodeFlags = ['--min-semi-space-size=1', '--max-semi-space-size=1']

const namespace = 'wide'
const stream = 'rt_wide'
const arrivalMs = 60_000

function settings(perConnection: number): Settings {
  return {
    TIDEGATE_NAMESPACES: JSON.stringify({ [namespace]: {} }),
    TIDEGATE_SUBSCRIPTIONS_MAX: String(perConnection),
    TIDEGATE_FRAMES_BURST_MAX: '100000',
    TIDEGATE_RINGS_BYTES_MAX: String(2 ** 30),
  }
}

export const channelsMemory: Measurement = {
  name: 'channels-memory',
  summary: 'process memory per channel with durable interest, and per publication in a ring',
  isGatewayOnly: true,
  run: async (lab) => {
    const perChannel: number[] = []
    const perPublication: number[] = []
    const { rounds } = lab.sizes.channelsMemory
    for (let round = 0; round < rounds; round += 1) {
      lab.progress(`channels-memory: channels, round ${round + 1} of ${rounds}`)
      perChannel.push(await withHistory(lab, (history) => ofChannels(lab, history)))
      lab.progress(`channels-memory: rings, round ${round + 1} of ${rounds}`)
      perPublication.push(await withHistory(lab, (history) => ofRings(lab, history)))
    }
    const rows: readonly Row[] = [
      {
        name: 'memory-channel',
        what: 'memory per channel with durable interest',
        unit: 'B',
        gateway: perChannel,
        budget: { of: 'gateway', max: 3072 },
      },
      {
        name: 'memory-ring',
        what: 'memory per publication of 200 bytes in a ring',
        unit: 'B',
        gateway: perPublication,
        // What a ring is charged for it (hub/ring.ts).
        budget: { of: 'gateway', max: 2300 },
      },
    ]
    return rows
  },
}

/** The slope between two counts of channels; each has one publication, which nobody has missed. */
async function ofChannels(lab: Lab, history: HistoryLab): Promise<number> {
  const { base, count, perConnection, restSeconds } = lab.sizes.channelsMemory
  const { gateway, fleet, channels } = await prepare(history, base + count, perConnection)
  await channels.fill(1)
  await subscribe(fleet, gateway, channels.names.slice(0, base), perConnection)
  const before = await settledMemory(gateway, restSeconds)
  await subscribe(fleet, gateway, channels.names.slice(base), perConnection)
  const after = await settledMemory(gateway, restSeconds)
  const interested = await gateway.metric('tidegate_channels')
  if (interested !== base + count) throw new Error(`the gateway has ${interested} channels`)
  await end(gateway, fleet, channels)
  return (after - before) / count
}

/** The slope between two fillings of the same rings. */
async function ofRings(lab: Lab, history: HistoryLab): Promise<number> {
  const { channels: wide, base, count, restSeconds } = lab.sizes.ringMemory
  const { gateway, fleet, channels } = await prepare(history, wide, wide)
  await subscribe(fleet, gateway, channels.names, wide)
  await publish(fleet, channels, base)
  const before = await settledMemory(gateway, restSeconds)
  await publish(fleet, channels, count)
  const after = await settledMemory(gateway, restSeconds)
  await end(gateway, fleet, channels)
  return (after - before) / (wide * count)
}

interface Prepared {
  readonly gateway: GatewayProcess
  readonly fleet: Fleet
  readonly channels: StoredChannels
}

async function prepare(
  history: HistoryLab,
  count: number,
  perConnection: number,
): Promise<Prepared> {
  const gateway = await history.startGateway(settings(perConnection), nodeFlags)
  const fleet = history.startFleet(Math.ceil(count / perConnection) + 1)
  const filled = { stream, namespace, channels: count }
  return { gateway, fleet, channels: await StoredChannels.open(history.nats.url, filled) }
}

/** So many names a connection: the connections' own memory is next to nothing. */
async function subscribe(
  fleet: Fleet,
  gateway: GatewayProcess,
  names: readonly string[],
  perConnection: number,
): Promise<void> {
  for (let at = 0; at < names.length; at += perConnection) {
    const some = names.slice(at, at + perConnection)
    await fleet.subscribe(endpointOf(gateway, { subscribe: [`${namespace}.>`] }), some)
  }
}

async function publish(fleet: Fleet, channels: StoredChannels, rounds: number): Promise<void> {
  const { publications } = await fleet.counts()
  await channels.fill(rounds)
  const expected = publications + rounds * channels.names.length
  await waitFor(
    `${expected} deliveries`,
    async () => (await fleet.counts()).publications === expected,
    arrivalMs,
  )
}

async function end(gateway: GatewayProcess, fleet: Fleet, channels: StoredChannels): Promise<void> {
  await channels.close()
  await fleet.stop()
  await gateway.stop()
}
