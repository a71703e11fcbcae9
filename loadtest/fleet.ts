/** The load clients of one server: as many processes as its connections need. */
import type { ChildProcess } from 'node:child_process'
import { setPriority } from 'node:os'
import type { Children } from './children.js'
import type { LoadCalls, LoadCounts, RecoverOutcome } from './load-client.js'
import { scriptPath } from './paths.js'
import { Remote } from './remote.js'
import type { ChannelStart } from './stored-channels.js'
import type { ConnectionKind, Endpoint } from './target.js'

/** Nice value of clients that storm: they are other machines, and must not slow this one down. */
const backgroundNice = 10

/** Below the 20,000 open files that one process usually may have. */
export const socketsPerClient = 18_000

const inFlightMax = 128

export class Fleet {
  readonly #children: Children
  readonly #processes: readonly ChildProcess[]
  readonly #clients: readonly Remote<LoadCalls>[]

  constructor(children: Children, sockets: number) {
    this.#children = children
    const count = Math.ceil(sockets / socketsPerClient)
    this.#processes = Array.from({ length: count }, () =>
      children.start(process.execPath, [scriptPath('load-client.js')], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        serialization: 'advanced',
      }),
    )
    this.#clients = this.#processes.map((child) => new Remote<LoadCalls>(child, 'load client'))
  }

  /** The servers, and who watches them, come before these clients. */
  giveWay(): this {
    for (const { pid } of this.#processes) setPriority(pid as number, backgroundNice)
    return this
  }

  async open(kind: ConnectionKind, endpoint: Endpoint, count: number): Promise<void> {
    const shares = split(count, this.#clients.length)
    const inFlight = Math.ceil(inFlightMax / this.#clients.length)
    await this.#all((client, i) => {
      const share = shares[i] as number
      if (share === 0) return Promise.resolve()
      return client.call('open', { kind, endpoint, count: share, inFlight })
    })
  }

  /** One more WebSocket, with all of these channels. */
  async subscribe(endpoint: Endpoint, channels: readonly string[]): Promise<void> {
    await this.#clients[0]?.call('subscribe', { endpoint, channels })
  }

  /** One WebSocket for each channel; resolves when each has exactly what it missed. */
  async recover(
    endpoint: Endpoint,
    epoch: string,
    starts: readonly ChannelStart[],
  ): Promise<RecoverOutcome> {
    const shares = split(starts.length, this.#clients.length)
    const inFlight = Math.ceil(inFlightMax / this.#clients.length)
    let from = 0
    const parts = shares.map((share) => starts.slice(from, (from += share)))
    const outcomes = await this.#all((client, i) =>
      client.call('recover', { endpoint, epoch, starts: parts[i] ?? [], inFlight }),
    )
    return {
      beganAtMicros: Math.min(...outcomes.map((one) => one.beganAtMicros)),
      lastWelcomeAtMicros: Math.max(...outcomes.map((one) => one.lastWelcomeAtMicros)),
      lastRecoveredAtMicros: Math.max(...outcomes.map((one) => one.lastRecoveredAtMicros)),
      waits: joined(outcomes.map(({ waits }) => waits)),
    }
  }

  /** The sums; a connection that was lost is an error, because every figure would be wrong. */
  async counts(): Promise<LoadCounts> {
    const all = await this.#all((client) => client.call('counts'))
    const sum = (key: 'open' | 'lost' | 'publications' | 'answers'): number =>
      all.reduce((total, counts) => total + counts[key], 0)
    const lost = sum('lost')
    const lostReason = all.find((counts) => counts.lost > 0)?.lostReason ?? ''
    if (lost > 0) throw new Error(`${lost} connections were lost, the first: ${lostReason}`)
    const frameBytes = Math.max(...all.map((counts) => counts.frameBytes))
    const [open, publications, answers] = [sum('open'), sum('publications'), sum('answers')]
    return { open, lost, lostReason, publications, frameBytes, answers }
  }

  async record(): Promise<void> {
    await this.#all((client) => client.call('record'))
  }

  /** All delays in µs, sorted. */
  async delays(): Promise<Uint32Array> {
    return joined(await this.#all((client) => client.call('delays')))
  }

  async close(): Promise<void> {
    await this.#all((client) => client.call('close'))
  }

  async stop(): Promise<void> {
    await Promise.all(this.#processes.map((child) => this.#children.stop(child)))
  }

  #all<T>(run: (client: Remote<LoadCalls>, index: number) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#clients.map(run))
  }
}

/** `count` in `parts` nearly equal shares. */
function joined(parts: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(parts.reduce((total, part) => total + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all.sort()
}

export function split(count: number, parts: number): readonly number[] {
  const share = Math.floor(count / parts)
  return Array.from({ length: parts }, (_, i) => share + (i < count % parts ? 1 : 0))
}
