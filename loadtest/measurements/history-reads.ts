/** Pages of `GET /v1/history`, many readers at a time: how much they read, and at what cost. */
import { Agent, get } from 'node:http'
import type { GatewayProcess, Settings } from '../gateway-process.js'
import { withHistory, type HistoryLab } from '../history-lab.js'
import type { Lab, Measurement, Row } from '../measurement.js'
import { cpuNs } from '../proc-stat.js'
import { StoredChannels } from '../stored-channels.js'
import { untilQuiet } from '../target.js'
import { mintToken } from '../token.js'

const namespace = 'paged'
const stream = 'rt_paged'
const settings: Settings = {
  TIDEGATE_NAMESPACES: JSON.stringify({ [namespace]: {} }),
  TIDEGATE_FRAMES_PER_SECOND_MAX: '100000',
  TIDEGATE_FRAMES_BURST_MAX: '100000',
}

interface Reading {
  readonly perSecond: number
  readonly gatewayMicros: number
  readonly natsMicros: number
}

interface Page {
  readonly publications: readonly { readonly offset: number }[]
}

export const historyReads: Measurement = {
  name: 'history-reads',
  summary: 'publications a second by pages of GET /v1/history, and CPU per publication',
  isGatewayOnly: true,
  run: (lab) =>
    withHistory(lab, async (history) => {
      const { stream: size, readers, rounds } = lab.sizes.historyReads
      const gateway = await history.startGateway(settings)
      lab.progress(`history-reads: ${size.channels * size.publicationsPerChannel} publications`)
      const filled = { stream, namespace, channels: size.channels }
      const channels = await StoredChannels.open(history.nats.url, filled)
      await channels.fill(size.publicationsPerChannel)
      await read(lab, history, gateway, channels.names)
      const readings: Reading[] = []
      for (let round = 0; round < rounds; round += 1) {
        lab.progress(`history-reads: round ${round + 1} of ${rounds}`)
        readings.push(await read(lab, history, gateway, channels.names))
      }
      await channels.close()
      await gateway.stop()
      const each = size.publicationsPerChannel
      const what = `pages of ${each} out of ${size.channels * each}, ${readers} readers`
      const row = (name: string, part: string, unit: Row['unit'], key: keyof Reading): Row => ({
        name: `history-reads-${name}`,
        what: `${part}, ${what}`,
        unit,
        gateway: readings.map((reading) => reading[key]),
      })
      return [
        row('rate', 'publications', '/s', 'perSecond'),
        row('gateway-cpu', 'gateway CPU per publication', 'µs', 'gatewayMicros'),
        row('nats-cpu', 'nats-server CPU per publication', 'µs', 'natsMicros'),
      ]
    }),
}

/** Every reader takes the next channel as soon as it has the page of its last one. */
async function read(
  lab: Lab,
  history: HistoryLab,
  gateway: GatewayProcess,
  names: readonly string[],
): Promise<Reading> {
  const { readers, seconds, stream: size } = lab.sizes.historyReads
  await untilQuiet(gateway)
  const agent = new Agent({ keepAlive: true, maxSockets: readers })
  const token = mintToken(gateway.secret, 'reader', { subscribe: [`${namespace}.>`] })
  const [own, nats, startedAt] = [cpuNs(gateway.pid), cpuNs(history.nats.pid), performance.now()]
  let pages = 0
  const reader = async (): Promise<void> => {
    while (performance.now() - startedAt < seconds * 1000) {
      const channel = names[pages % names.length] as string
      pages += 1
      const limit = size.publicationsPerChannel
      const path = `/v1/history?channel=${channel}&after=0&limit=${limit}`
      const page = JSON.parse(await fetchText(gateway.port, path, token, agent)) as Page
      checkPage(page, channel, limit)
    }
  }
  await Promise.all(Array.from({ length: readers }, reader))
  const publications = pages * size.publicationsPerChannel
  const passedSeconds = (performance.now() - startedAt) / 1000
  agent.destroy()
  return {
    perSecond: publications / passedSeconds,
    gatewayMicros: (cpuNs(gateway.pid) - own) / 1000 / publications,
    natsMicros: (cpuNs(history.nats.pid) - nats) / 1000 / publications,
  }
}

function checkPage({ publications }: Page, channel: string, expected: number): void {
  const isOrdered = publications.every(
    ({ offset }, at) => at === 0 || offset > (publications[at - 1]?.offset ?? 0),
  )
  if (publications.length === expected && isOrdered) return
  throw new Error(`a page of ${channel} has ${publications.length} of ${expected} publications`)
}

function fetchText(port: number, path: string, token: string, agent: Agent): Promise<string> {
  const headers = { authorization: `Bearer ${token}` }
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent, headers }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        const body = Buffer.concat(parts).toString()
        if (response.statusCode === 200) resolve(body)
        else reject(new Error(`a page was refused: ${response.statusCode} ${body}`))
      })
    })
    request.on('error', reject)
  })
}
