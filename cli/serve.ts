/** One whole node: broker, hub, gateway, admin port and log, from its start to its end. */
import { AdminServer } from '../gateway/admin-server.js'
import type { Assets } from '../gateway/assets.js'
import {
  AuthenticationError,
  createAuthentication,
  type Authentication,
} from '../gateway/authentication.js'
import { loadConfigWithSources, type Config, type Environment } from '../gateway/config.js'
import { Counters } from '../gateway/counters.js'
import { DelayHistogram } from '../gateway/delay-histogram.js'
import { loadEngine } from '../gateway/engine.js'
import { readFileLimit } from '../gateway/file-limit.js'
import { startGateway, type Gateway } from '../gateway/gateway.js'
import { Log } from '../gateway/log.js'
import { createMetrics } from '../gateway/metrics.js'
import { watchOverflows } from '../gateway/overflow-watch.js'
import { systemClock as clock } from '../gateway/system-clock.js'
import type { Broker } from '../hub/broker.js'
import { Hub } from '../hub/hub.js'
import { createStore, type Store } from './broker.js'
import {
  brokerEventLog,
  historyEventLog,
  internalErrorLog,
  keyEventLog,
  logStarting,
} from './node-log.js'
import { messageOf } from './command.js'
import { prepareStreams } from './streams.js'
import { readVersion } from './version.js'

export interface NodeOptions {
  readonly env: Environment
  /** The configuration's file. */
  readonly file?: string | undefined
  /** Files served beside the API, for development. */
  readonly assets?: Assets | undefined
  /** Ends a start that still waits for keys. */
  readonly signal?: AbortSignal | undefined
}

/** Why this node must not start: one sentence for each fault. */
export class StartError extends Error {
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.name = 'StartError'
    this.faults = faults
  }
}

export interface RunningNode {
  readonly config: Config
  readonly port: number
  /** Undefined: the admin port is off. */
  readonly adminPort: number | undefined
  readonly broker: Broker
  readonly log: Log
  /** Ready no longer, closes every connection; over when the configured grace time is. */
  close(): Promise<void>
}

/**
 * Rejects with an error whose message says, fault by fault, why this node must not start; with the
 * reason of the signal if that ended the start.
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { env, file, signal } = options
  const loaded = loadConfigWithSources({ env, file, needsKey: true })
  const engine = loadEngine()
  if (!engine.ok) throw new Error(engine.message)
  const log = new Log(loaded.config.logLevel)
  logStarting(log, loaded, engine)
  const links = await createLinks(loaded.config, log)
  const { authentication } = links
  const parts = new NodeParts(loaded.config, log, links, engine.build)
  try {
    const adminPort = await parts.openAdmin()
    const { config, hub, counters, deliveryDelay } = parts
    await firstKeys(authentication, signal)
    await parts.checkStreams()
    signal?.throwIfAborted()
    await parts.startHub()
    const gateway = await startGateway({
      engine: engine.engine,
      settings: config,
      hub,
      authenticator: authentication.authenticator,
      clock,
      random: Math.random,
      counters,
      onInternalError: internalErrorLog(log, clock, counters),
      observeDelay: (delayMs) => deliveryDelay.observe(delayMs),
      ...(options.assets !== undefined && { assets: options.assets }),
    })
    parts.opened(gateway)
    const { port, nodeId } = gateway
    log.write({ event: 'started', node: nodeId, host: config.host, port, adminPort })
    const { broker } = links.store
    return { config, port, adminPort, broker, log, close: () => parts.drain() }
  } catch (error) {
    await parts.close()
    if (signal?.aborted === true) log.write({ event: 'stopped', isClean: true })
    throw error
  }
}

interface Links {
  readonly store: Store
  readonly authentication: Authentication
}

/** What reaches out of the process: the faults of both are told at once. */
async function createLinks(config: Config, log: Log): Promise<Links> {
  const [store, authentication] = await Promise.allSettled([
    createStore(config, clock, Math.random),
    createAuthentication(config, clock, keyEventLog(log)),
  ])
  if (store.status === 'fulfilled' && authentication.status === 'fulfilled') {
    return { store: store.value, authentication: authentication.value }
  }
  if (authentication.status === 'fulfilled') authentication.value.close()
  throw new StartError(
    [store, authentication].flatMap((part) => {
      if (part.status === 'fulfilled') return []
      const reason: unknown = part.reason
      return reason instanceof AuthenticationError ? reason.faults : [messageOf(reason)]
    }),
  )
}

/** An issuer that does not answer must not hold a process that is told to end. */
async function firstKeys(authentication: Authentication, signal?: AbortSignal): Promise<void> {
  const end = (): void => authentication.close()
  signal?.addEventListener('abort', end)
  if (signal?.aborted !== true) await authentication.firstFetch
  signal?.removeEventListener('abort', end)
  signal?.throwIfAborted()
}

/** What has been started so far, so that it can be ended in the reverse order. */
class NodeParts {
  readonly config: Config
  readonly hub: Hub
  readonly counters: Counters = new Counters()
  readonly deliveryDelay: DelayHistogram = new DelayHistogram()
  readonly #log: Log
  readonly #authentication: Authentication
  readonly #engineBuild: string
  readonly #ends: (() => void | Promise<void>)[] = []
  #gateway: Gateway | undefined
  #isDraining = false

  constructor(config: Config, log: Log, links: Links, engineBuild: string) {
    this.config = config
    this.#log = log
    this.#authentication = links.authentication
    this.#engineBuild = engineBuild
    const { broker, history } = links.store
    this.hub = new Hub({
      broker,
      clock,
      limits: { ...config, lingerMs: config.lingerSeconds * 1000 },
      subjectPrefix: config.subjectPrefix,
      onEvent: brokerEventLog(log, config),
      ...(history !== undefined && {
        durable: {
          history,
          namespaces: config.namespaces,
          limits: { ...config, verifyMs: config.verifySeconds * 1000 },
          costs: config.recoveryCosts,
          onEvent: historyEventLog(log),
        },
      }),
    })
    this.onClose(() => links.authentication.close())
  }

  onClose(end: () => void | Promise<void>): void {
    this.#ends.push(end)
  }

  /** First, so that it can be seen that the node lives while it still waits for keys. */
  async openAdmin(): Promise<number | undefined> {
    const { adminHost, adminPort } = this.config
    if (adminPort === 0) return undefined
    const metrics = createMetrics({
      counters: this.counters,
      hub: this.hub,
      outbox: { bytes: () => this.#gateway?.outbox.bytes ?? 0 },
      deliveryDelay: this.deliveryDelay,
      build: { version: readVersion(), engine: this.#engineBuild },
      connectionsMax: this.config.connectionsMax,
      openFilesMax: readFileLimit().openFilesMax,
    })
    this.onClose(() => metrics.close())
    const server = new AdminServer({
      metrics,
      notReadyReasons: () => this.#notReadyReasons(),
      warnings: () => this.#warnings(),
    })
    try {
      const port = await server.listen(adminPort, adminHost)
      this.onClose(() => server.close())
      return port
    } catch (error) {
      throw new Error(`Cannot listen on ${adminHost}:${adminPort} (admin): ${messageOf(error)}.`)
    }
  }

  /** Streams that do not fit stop the start: nobody could subscribe their channels. */
  async checkStreams(): Promise<void> {
    const { faults, notices } = await prepareStreams(this.config)
    if (notices.length > 0) this.#log.write({ event: 'history_notice', notices })
    if (faults.length > 0) throw new StartError(faults)
  }

  async startHub(): Promise<void> {
    this.onClose(() => this.hub.close())
    this.onClose(watchOverflows(this.#log, clock, this.counters, this.hub))
    await this.hub.start()
  }

  opened(gateway: Gateway): void {
    this.#gateway = gateway
    this.onClose(() => gateway.close())
  }

  async drain(): Promise<void> {
    if (this.#isDraining) return
    this.#isDraining = true
    this.#log.write({ event: 'draining', connections: { ...this.counters.connections } })
    const isClean = await Promise.race([this.close(), this.#graceEnds()])
    this.#log.write({ event: 'stopped', isClean, connections: { ...this.counters.connections } })
  }

  async close(): Promise<true> {
    for (const end of this.#ends.splice(0).reverse()) await end()
    return true
  }

  #graceEnds(): Promise<false> {
    const graceMs = this.config.shutdownGraceSeconds * 1000
    return new Promise((resolve) => clock.after(graceMs, () => resolve(false)))
  }

  /**
   * A history that is away is away for every node. They serve ephemeral channels all the same: to
   * take all of them out of the balancer at once would help nobody.
   */
  #warnings(): readonly string[] {
    const isAway = [...this.hub.durable.all].some(({ isAvailable }) => !isAvailable)
    return isAway ? ['history_unavailable'] : []
  }

  #notReadyReasons(): readonly string[] {
    const reasons: string[] = []
    if (this.#gateway === undefined) reasons.push('starting')
    if (this.#isDraining) reasons.push('draining')
    if (!this.hub.isConnected) reasons.push('broker_unavailable')
    if (!this.#authentication.hasKeys) reasons.push('keys_missing')
    return reasons
  }
}
