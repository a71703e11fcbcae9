/** The `SharedWorker` that holds the connection of all tabs: its script calls `serveTabs()`. */
import { Gateway } from './gateway.js'
import { platformTransports } from './platform-transports.js'
import type { Pace } from './reconnect-pace.js'
import { systemClock } from './system-clock.js'
import { platformLocks, type LockQueue } from './tab-election.js'
import { TabHub } from './tab-hub.js'
import { readTabMessage, type HubMessage } from './tab-messages.js'
import type { Transport } from './transport.js'
import type { LifeSign, WorkerPort } from './worker-line.js'

export type { WorkerPort } from './worker-line.js'

/** What the worker differs in from any other. */
export interface ServeTabsOptions {
  /** Tried in this order. Default: WebSocket, event stream, long-poll, as the platform has them. */
  readonly transports?: readonly Transport[]
  /** Time and chance, for tests. */
  readonly pace?: Pace
  /** Where tabs connect. Default: the worker itself. */
  readonly scope?: WorkerScope
}

/** What is needed of a `SharedWorkerGlobalScope`. */
export interface WorkerScope {
  /** A tab connects. */
  addEventListener(
    type: 'connect',
    listener: (event: { readonly ports: readonly WorkerPort[] }) => void,
  ): void
}

/** Called at once when the script runs: a tab connects only once. */
export function serveTabs(options: ServeTabsOptions = {}): void {
  const { scope = globalThis as unknown as WorkerScope } = options
  const hubs = new WorkerHubs(options)
  scope.addEventListener('connect', ({ ports }) => {
    for (const port of ports) hubs.connect(port)
  })
}

/** A hub for each name. */
class WorkerHubs {
  readonly #transports: readonly Transport[]
  readonly #pace: Pace
  readonly #hubs = new Map<string, TabHub>()
  readonly #ports = new Map<string, WorkerPort>()
  readonly #alive: Promise<LifeSign> | undefined
  #lastId = 0

  constructor({ transports, pace }: ServeTabsOptions) {
    this.#transports = transports ?? platformTransports()
    this.#pace = pace ?? { clock: systemClock, random: Math.random }
    const locks = platformLocks()
    this.#alive = locks && holdLock(locks, this.#pace)
  }

  connect(port: WorkerPort): void {
    this.#lastId += 1
    const id = String(this.#lastId)
    let hub: TabHub | undefined
    const end = (): void => {
      hub?.hear(id, { type: 'leave' })
      this.#ports.delete(id)
      this.#forgetEmpty()
    }
    this.#ports.set(id, port)
    port.addEventListener('message', ({ data }) => {
      const message = readTabMessage(data)
      if (message?.type === 'leave') return end()
      if (message?.type === 'join') hub = this.#hub(message.name)
      if (message !== undefined) hub?.hear(id, message)
    })
    port.addEventListener('close', end)
    port.start()
    void this.#alive?.then((sign) => this.#ports.get(id)?.postMessage(sign))
  }

  #hub(name: string): TabHub {
    let hub = this.#hubs.get(name)
    if (hub !== undefined) return hub
    this.#forgetEmpty()
    const { clock } = this.#pace
    hub = new TabHub({
      ...{ clock, transports: this.#transports },
      openGateway: (url, token) =>
        new Gateway(url, token, this.#pace, (input, init) => fetch(input, init)),
      send: (tabs, message) => this.#send(tabs, message),
    })
    this.#hubs.set(name, hub)
    return hub
  }

  #send(tabs: readonly string[], message: HubMessage): void {
    for (const id of tabs) this.#ports.get(id)?.postMessage(message)
  }

  #forgetEmpty(): void {
    for (const [name, hub] of this.#hubs) {
      if (!hub.isEmpty) continue
      hub.close()
      this.#hubs.delete(name)
    }
  }
}

/** For the rest of this worker's life. Pending for ever where locks are forbidden. */
function holdLock(locks: LockQueue, { random }: Pace): Promise<LifeSign> {
  const lock = `tidegate-worker ${random().toString(36)}`
  return new Promise((resolve) => {
    const hold = (): Promise<void> => {
      resolve({ type: 'alive', lock })
      return new Promise(() => undefined)
    }
    locks.request(lock, {}, hold).catch(() => undefined)
  })
}
