/** What a scan costs a node and its nats-server: clients for whose sake a node has to scan. */
import type { GatewayProcess } from './gateway-process.js'
import { endpointOf, epochOf, type HistoryLab } from './history-lab.js'
import { cpuNs } from './proc-stat.js'
import type { ChannelStart } from './stored-channels.js'
import { untilQuiet } from './target.js'

export interface ScanCosts {
  readonly fixedUs: number
  readonly perMessageUs: number
}

/** For the setting of the node: nothing is ever read singly. */
export const scansOnly = { readFixedUs: 86_400_000_000, scanFixedUs: 0, scanPerMessageUs: 0 }

/** Recovers each of them alone: once those from afar, once those near the end of the stream. */
export async function scanCosts(
  history: HistoryLab,
  gateway: GatewayProcess,
  far: readonly ChannelStart[],
  near: readonly ChannelStart[],
): Promise<ScanCosts> {
  const fleet = history.startFleet(far.length + near.length)
  const epoch = await epochOf(gateway, far[0]?.channel ?? '')
  const scanned = (): Promise<number> =>
    gateway.metric('tidegate_recovery_scanned_publications_total')

  const cost = async (
    starts: readonly ChannelStart[],
  ): Promise<{ us: number; messages: number }> => {
    await untilQuiet(gateway)
    const [cpu, passed] = [cpuNs(gateway.pid) + cpuNs(history.nats.pid), await scanned()]
    for (const start of starts) await fleet.recover(endpointOf(gateway, {}), epoch, [start])
    const us = (cpuNs(gateway.pid) + cpuNs(history.nats.pid) - cpu) / 1000
    const messages = (await scanned()) - passed
    if (messages === 0) throw new Error('the gateway did not scan')
    return { us: us / starts.length, messages: messages / starts.length }
  }

  // The first of them finds cold code.
  await cost(far.slice(0, 1))
  const [all, few] = [await cost(far.slice(1)), await cost(near)]
  await fleet.stop()
  const perMessageUs = (all.us - few.us) / (all.messages - few.messages)
  return { perMessageUs, fixedUs: few.us - perMessageUs * few.messages }
}
