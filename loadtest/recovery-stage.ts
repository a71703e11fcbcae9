/** The stage of the recovery measurements: a large stream, and clients who know where they were. */
import { epochOf, type HistoryLab, endpointOf, withHistory } from './history-lab.js'
import type { GatewayProcess, Settings } from './gateway-process.js'
import type { Fleet } from './fleet.js'
import type { RecoverOutcome } from './load-client.js'
import type { Lab } from './measurement.js'
import { cpuNs } from './proc-stat.js'
import { StoredChannels, type ChannelStart } from './stored-channels.js'
import { untilQuiet } from './target.js'
import { pause } from './wait.js'

const namespace = 'storm'
const stream = 'rt_storm'
const settings: Settings = { TIDEGATE_NAMESPACES: JSON.stringify({ [namespace]: {} }) }

/** After the last that was awaited: what should not come would come within this. */
const afterMs = 200

export interface RecoveryStage {
  readonly history: HistoryLab
  readonly channels: StoredChannels
  /** Clients that have missed the last publications of their channels. */
  readonly behind: readonly ChannelStart[]
  /** The same clients, with nothing missed. */
  readonly upToDate: readonly ChannelStart[]
  /** A node that knows nothing yet. */
  freshGateway(more?: Settings): Promise<GatewayProcess>
}

export interface StormFigures extends RecoverOutcome {
  readonly natsCpuNs: number
  readonly gatewayCpuNs: number
}

/** Fills the stream anew: nothing of another measurement is in it. */
export function onRecoveryStage<T>(
  lab: Lab,
  name: string,
  run: (stage: RecoveryStage) => Promise<T>,
): Promise<T> {
  const { stream: size, clients, missed } = lab.sizes.storm
  const { channels: count, publicationsPerChannel: each } = size
  return withHistory(lab, async (history) => {
    const provisioner = await history.startGateway(settings)
    await provisioner.stop()
    lab.progress(`${name}: ${count * each} publications to ${count} channels`)
    const filled = { stream, namespace, channels: count }
    const channels = await StoredChannels.open(history.nats.url, filled)
    await channels.fill(each - missed)
    const before = await channels.starts(clients)
    await channels.fill(missed)
    const behind = channels.missed(before, each - missed)
    const upToDate = await channels.starts(clients)
    const freshGateway = (more: Settings = {}): Promise<GatewayProcess> =>
      history.startGateway({ ...settings, ...more })
    const result = await run({ history, channels, behind, upToDate, freshGateway })
    await channels.close()
    return result
  })
}

/** Until neither the node nor its nats-server has anything left to do. */
export async function settle({ history }: RecoveryStage, gateway: GatewayProcess): Promise<void> {
  await untilQuiet(gateway)
  await untilQuiet({ ...gateway, name: 'nats-server', pid: history.nats.pid })
}

/** All of them come back; each must get exactly what it missed, and nothing after it. */
export async function comeBack(
  { history }: RecoveryStage,
  gateway: GatewayProcess,
  fleet: Fleet,
  starts: readonly ChannelStart[],
): Promise<StormFigures> {
  const epoch = await epochOf(gateway, starts[0]?.channel ?? '')
  const wanted = starts.reduce((sum, { missed }) => sum + missed.length, 0)
  const before = await fleet.counts()
  const [nats, own] = [cpuNs(history.nats.pid), cpuNs(gateway.pid)]
  const outcome = await fleet.recover(endpointOf(gateway, {}), epoch, starts)
  const natsCpuNs = cpuNs(history.nats.pid) - nats
  const gatewayCpuNs = cpuNs(gateway.pid) - own
  await pause(afterMs)
  const { publications } = await fleet.counts()
  if (publications - before.publications !== wanted) {
    throw new Error(`${publications - before.publications} came, ${wanted} had been missed`)
  }
  return { ...outcome, natsCpuNs, gatewayCpuNs }
}

/** From the last welcome to the last publication that had been missed. */
export function secondsAfterHandshakes(figures: RecoverOutcome): number {
  return Math.max(0, figures.lastRecoveredAtMicros - figures.lastWelcomeAtMicros) / 1e6
}

/** What the planner of a node has chosen so far, in words. */
export async function choicesOf({ metric }: GatewayProcess): Promise<string> {
  const reads = 'tidegate_recovery_reads_total'
  const [screened, single, scans, joined] = await Promise.all(
    ['screen', 'single', 'scan', 'joined'].map((choice) => metric(reads, `choice="${choice}"`)),
  )
  const scanned = await metric('tidegate_recovery_scanned_publications_total')
  return (
    `${screened} screened, ${single} single reads, ` +
    `${scans} scans of ${scanned} publications, ${joined} joined one`
  )
}
