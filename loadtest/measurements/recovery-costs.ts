/** What the ways of reading a stream cost: the numbers by which the recovery planner decides. */
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { DirectGets } from '../direct-gets.js'
import { jetStreamRequest } from '../jetstream-request.js'
import { withHistory, type HistoryLab } from '../history-lab.js'
import type { Lab, Measurement, Row } from '../measurement.js'
import { cpuNs } from '../proc-stat.js'
import type { StreamSize } from '../sizes.js'
import { StoredChannels } from '../stored-channels.js'
import { scanCosts, scansOnly } from '../scan-costs.js'
import { pause } from '../wait.js'

const namespace = 'costs'
const stream = 'rt_costs'

/** As the gateway asks, and as many at a time. */
const batch = { batch: 1024, max_bytes: 1_048_576 }
const page = { batch: 256, max_bytes: 1_048_576 }
const screenMax = 1024
const screensAtATime = 4
const readsAtATime = 16

/** Publications of a pattern's stretch: one in ten of them matches. */
const patternStretch = 10_000

/** In µs of CPU, of nats-server and of who reads together. */
interface Costs {
  readonly screenFixedUs: number
  readonly screenPerChannelUs: number
  readonly readFixedUs: number
  readonly readPerMessageUs: number
  readonly patternReadPerMessageUs: number
  readonly scanFixedUs: number
  readonly scanPerMessageUs: number
}

export const recoveryCosts: Measurement = {
  name: 'recovery-costs',
  summary: 'what reading a history costs on this machine, as JSON for TIDEGATE_RECOVERY_COSTS',
  isGatewayOnly: true,
  run: async (lab) => {
    const costs: Record<string, Costs> = {}
    const rows: Row[] = []
    for (const storage of ['file', 'memory'] as const) {
      const measured = await withHistory(lab, (history) => measure(lab, history, storage))
      costs[storage] = measured
      for (const [part, value] of Object.entries(measured) as [string, number][]) {
        const name = `recovery-costs-${storage}-${part}`
        rows.push({ name, what: `${storage} storage: ${part}`, unit: 'µs', gateway: [value] })
      }
    }
    lab.note(`TIDEGATE_RECOVERY_COSTS='${JSON.stringify(costs)}'`)
    return rows
  },
}

async function measure(lab: Lab, history: HistoryLab, storage: 'file' | 'memory'): Promise<Costs> {
  const { stream: size, requests, scans } = lab.sizes.costs
  const gateway = await history.startGateway({
    TIDEGATE_NAMESPACES: JSON.stringify({ [namespace]: { history: { storage } } }),
    TIDEGATE_RECOVERY_COSTS: JSON.stringify({ [storage]: scansOnly }),
  })
  const { url, pid } = history.nats
  const { publicationsPerChannel: each } = size
  lab.progress(`recovery-costs: ${size.channels * each} into ${storage}`)
  const channels = await StoredChannels.open(url, { stream, namespace, channels: size.channels })
  await channels.fill(1)
  const far = await channels.starts(scans + 1)
  await channels.fill(each - 1)
  const few = 4 * scans + 1
  await channels.fill(1, few)
  const near = await channels.starts(few)
  await channels.fill(1, few)

  const connection = await connect({ servers: url, name: 'bench-reader' })
  const reader = new Reader(lab, storage, connection, pid, channels.names, size)
  const screens = await reader.screens(requests)
  const reads = await reader.reads(requests)
  const patternReadPerMessageUs = await reader.patterns(requests)
  lab.progress(`recovery-costs: ${storage}, scans`)
  const scan = await scanCosts(
    history,
    gateway,
    channels.missed(far, 1),
    channels.missed(near, each + 1).slice(scans + 1),
  )
  await connection.close()
  await channels.close()
  await gateway.stop()
  const scanFixedUs = rounded(scan.fixedUs)
  const scanPerMessageUs = rounded(scan.perMessageUs)
  return { ...screens, ...reads, patternReadPerMessageUs, scanFixedUs, scanPerMessageUs }
}

class Reader {
  readonly #lab: Lab
  readonly #storage: string
  readonly #connection: NatsConnection
  readonly #gets: DirectGets
  readonly #natsPid: number
  readonly #subjects: readonly string[]
  readonly #last: number
  #next = 0

  constructor(
    lab: Lab,
    storage: string,
    connection: NatsConnection,
    natsPid: number,
    names: readonly string[],
    { channels, publicationsPerChannel }: StreamSize,
  ) {
    this.#lab = lab
    this.#storage = storage
    this.#connection = connection
    this.#gets = new DirectGets(connection)
    this.#natsPid = natsPid
    this.#subjects = names.map((name) => `rt.pub.${name}`)
    // What is behind it is for the scans.
    this.#last = channels * publicationsPerChannel
  }

  async screens(requests: number): Promise<Pick<Costs, 'screenFixedUs' | 'screenPerChannelUs'>> {
    const many = Math.min(screenMax, this.#subjects.length)
    const screen = (subjects: readonly string[]): Promise<unknown> =>
      this.#gets.get(stream, { multi_last: subjects, ...batch })
    const one = await this.#costUs('screens of one', 5 * requests, screensAtATime, () =>
      screen([this.#subject()]),
    )
    const all = await this.#costUs('screens of many', requests / 5, screensAtATime, (at) =>
      screen(this.#subjects.slice(at % 2, many)),
    )
    const each = perOne(all, one, many - 1)
    return { screenFixedUs: rounded(one - each), screenPerChannelUs: each }
  }

  /** First whether there is any, then what there is. */
  async reads(requests: number): Promise<Pick<Costs, 'readFixedUs' | 'readPerMessageUs'>> {
    const far = Math.floor(this.#last / 2)
    const read = async (from: number): Promise<void> => {
      const subject = this.#subject()
      await this.#gets.get(stream, { multi_last: [subject], ...batch })
      await this.#gets.get(stream, { seq: from, next_by_subj: subject, ...page })
    }
    const near = await this.#costUs('reads at the head', requests, readsAtATime, () =>
      read(this.#last),
    )
    const all = await this.#costUs('reads from afar', requests / 10, readsAtATime, () =>
      read(this.#last - far),
    )
    return { readFixedUs: rounded(near), readPerMessageUs: perOne(all, near, far) }
  }

  async patterns(requests: number): Promise<number> {
    const stretch = Math.min(patternStretch, Math.floor(this.#last / 2))
    const pattern = `rt.pub.${namespace}.3.>`
    const read = async (start: number): Promise<void> => {
      let from = start
      for (let pending = 1; pending > 0;) {
        await jetStreamRequest(this.#connection, `STREAM.INFO.${stream}`, undefined)
        const newest = { last_by_subj: pattern }
        await jetStreamRequest(this.#connection, `STREAM.MSG.GET.${stream}`, newest)
        const found = await this.#gets.get(stream, { seq: from, next_by_subj: pattern, ...page })
        pending = found.pending
        from = Number(found.messages.at(-1)?.headers?.last('Nats-Sequence')) + 1
      }
    }
    const near = await this.#costUs('patterns at the head', requests, readsAtATime, () =>
      read(this.#last),
    )
    const all = await this.#costUs('patterns from afar', requests / 10, readsAtATime, () =>
      read(this.#last - stretch),
    )
    return perOne(all, near, stretch)
  }

  /** CPU of one, of nats-server and of this process. The first ones warm up. */
  async #costUs(
    what: string,
    count: number,
    atATime: number,
    run: (at: number) => Promise<unknown>,
  ): Promise<number> {
    this.#lab.progress(`recovery-costs: ${this.#storage}, ${what}`)
    const times = Math.max(2, Math.ceil(count))
    await this.#runAll(Math.ceil(times / 5), atATime, run)
    await pause(100)
    const before = cpuNs(this.#natsPid) + cpuNs(process.pid)
    await this.#runAll(times, atATime, run)
    return (cpuNs(this.#natsPid) + cpuNs(process.pid) - before) / 1000 / times
  }

  async #runAll(
    times: number,
    atATime: number,
    run: (at: number) => Promise<unknown>,
  ): Promise<void> {
    let started = 0
    const worker = async (): Promise<void> => {
      while (started < times) {
        started += 1
        await run(started)
      }
    }
    await Promise.all(Array.from({ length: atATime }, worker))
  }

  /** Another one each time: neither cache nor block of the last one helps. */
  #subject(): string {
    this.#next = (this.#next + 7919) % this.#subjects.length
    return this.#subjects[this.#next] as string
  }
}

function perOne(all: number, one: number, count: number): number {
  return rounded((all - one) / count)
}

/** Three digits; what the noise of a small run makes negative is nothing. */
function rounded(value: number): number {
  return Number(Math.max(0, value).toPrecision(3))
}
