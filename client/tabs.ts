/** Tabs share one connection: a transport whose connection is in a worker, or in one of them. */
import type { Gateway } from './gateway.js'
import { platformTransports } from './platform-transports.js'
import { SharedConnection, type HubLine, type HubLineListener } from './shared-connection.js'
import { platformLocks, TabElection, type Broadcast, type MeetingPlace } from './tab-election.js'
import { TabHub, type TabHubOptions } from './tab-hub.js'
import { tabsVersion } from './tab-messages.js'
import type {
  Connection,
  ConnectionEvent,
  ConnectionRequest,
  Transport,
  TransportName,
} from './transport.js'
import { WorkerLine, type WorkerHandle } from './worker-line.js'

export type { WorkerHandle, WorkerPort } from './worker-line.js'

/** Who shares a connection, and where it is. */
export interface SharedTabsOptions {
  /**
   * Tabs of the same name share a connection, and so the token of one of them: it has to differ
   * from user to user. Default: the gateway's address, for pages that have one user at a time.
   */
  readonly name?: string
  /**
   * Makes the `SharedWorker` that holds the connection, under the name that is given; its script
   * calls `serveTabs()`. Without it, where there are no shared workers, and where its script cannot
   * be had, one of the tabs holds the connection.
   */
  readonly worker?: (name: string) => WorkerHandle
  /**
   * What the tab that holds the connection tries, in this order; a worker is given its own.
   * Default: WebSocket, event stream, long-poll, as the platform has them.
   */
  readonly transports?: readonly Transport[]
}

/**
 * What `new Tidegate(url, { token, transports: [sharedTabs()] })` needs to have one connection with
 * all tabs of this origin that do the same. Where the platform has no means for that, each tab has
 * its own. All should subscribe with the same `last`: that of the first one counts.
 */
export function sharedTabs(options: SharedTabsOptions = {}): Transport {
  return new SharedTabs(options)
}

class SharedTabs implements Transport {
  /** That of the connection that is shared, as soon as it is known. */
  name: TransportName = 'websocket'
  readonly #options: SharedTabsOptions
  #hasWorker: boolean

  constructor(options: SharedTabsOptions) {
    this.#options = options
    this.#hasWorker = options.worker !== undefined && 'SharedWorker' in globalThis
  }

  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    const { gateway } = request
    const user = this.#options.name ?? gateway.address('..').href
    const name = `tidegate-tabs-${tabsVersion} ${user}`
    return new SharedConnection(request, onEvent, {
      name,
      openLine: (listener) =>
        this.#openWorkerLine(name, listener) ?? this.#elect(name, gateway, listener),
      onTransport: (transport) => (this.name = transport),
    })
  }

  #openWorkerLine(name: string, listener: HubLineListener): HubLine | undefined {
    const { worker } = this.#options
    if (!this.#hasWorker || worker === undefined) return undefined
    try {
      const handle = worker(name)
      handle.addEventListener('error', () => {
        this.#hasWorker = false
        listener.lost('the worker cannot be had')
      })
      return new WorkerLine(handle, listener, platformLocks())
    } catch {
      this.#hasWorker = false
      return undefined
    }
  }

  #elect(name: string, gateway: Gateway, listener: HubLineListener): HubLine {
    const { transports = platformTransports() } = this.#options
    const { pace } = gateway
    // The hub of this tab asks the same gateway, with the same token.
    const openHub = (send: TabHubOptions['send']): TabHub =>
      new TabHub({ ...{ transports, send, clock: pace.clock }, openGateway: () => gateway })
    return new TabElection(pace, meetingPlace(name), openHub, listener)
  }
}

/** Where the platform has one: a page without a secure origin has no locks. */
function meetingPlace(name: string): MeetingPlace | undefined {
  const locks = platformLocks()
  if (locks === undefined || !('BroadcastChannel' in globalThis)) return undefined
  return { locks, lockName: name, broadcast: new BroadcastChannel(name) as Broadcast }
}
