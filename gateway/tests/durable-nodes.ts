/** Gateways over one broker and one history in memory, as nodes of one deployment. */
import type { TestContext } from 'node:test'
import type {
  Broker,
  BrokerEvent,
  BrokerMessage,
  BrokerSubscription,
  PublishResult,
} from '../../hub/broker.js'
import type { History, HistoryEvent } from '../../hub/history.js'
import { MemoryBroker } from '../../hub/memory-broker.js'
import type { HistorySettings } from '../../hub/namespaces.js'
import { SwitchHistory } from '../../hub/tests/switch-history.js'
import {
  startTestGateway,
  testSettings,
  type TestGatewayOptions,
  type TestGateway,
} from './harness.js'
import { systemClock } from '../system-clock.js'

/** The broker as one node sees it: closing it closes nothing. */
class NodeBroker implements Broker {
  readonly #shared: MemoryBroker
  #listener: (event: BrokerEvent) => void = () => {}

  constructor(shared: MemoryBroker) {
    this.#shared = shared
  }

  get isConnected(): boolean {
    return this.#shared.isConnected
  }

  onEvent(listener: (event: BrokerEvent) => void): void {
    this.#listener = listener
  }

  async start(): Promise<void> {
    this.#listener({ type: 'connected', server: 'memory' })
  }

  subscribe(subject: string, receive: (message: BrokerMessage) => void): BrokerSubscription {
    return this.#shared.subscribe(subject, receive)
  }

  publish(...message: Parameters<Broker['publish']>): Promise<PublishResult> {
    return this.#shared.publish(...message)
  }

  async close(): Promise<void> {}
}

type Listener = (event: HistoryEvent) => void

/** The history likewise; each node hears its events. */
class NodeHistory implements History {
  readonly #shared: SwitchHistory
  readonly #listeners: Set<Listener>
  #listener: Listener = () => {}

  constructor(shared: SwitchHistory, listeners: Set<Listener>) {
    this.#shared = shared
    this.#listeners = listeners
  }

  onEvent(listener: Listener): void {
    this.#listener = listener
    this.#listeners.add(listener)
  }

  async start(): Promise<void> {
    this.#listener({ type: 'available', namespace: 'orders' })
  }

  async close(): Promise<void> {
    this.#listeners.delete(this.#listener)
  }

  state(...question: Parameters<History['state']>): ReturnType<History['state']> {
    return this.#shared.state(...question)
  }

  screen(...question: Parameters<History['screen']>): ReturnType<History['screen']> {
    return this.#shared.screen(...question)
  }

  read(...question: Parameters<History['read']>): ReturnType<History['read']> {
    return this.#shared.read(...question)
  }

  scan(...question: Parameters<History['scan']>): ReturnType<History['scan']> {
    return this.#shared.scan(...question)
  }

  publish(...question: Parameters<History['publish']>): ReturnType<History['publish']> {
    return this.#shared.publish(...question)
  }
}

export interface Nodes {
  readonly broker: MemoryBroker
  readonly history: SwitchHistory
  /** Another node; it ends with the test. */
  start(options?: TestGatewayOptions): Promise<TestGateway>
  /** Publishes as a service does. */
  publish(channel: string, data: unknown, headers?: Readonly<Record<string, string>>): Promise<void>
}

/** A deployment whose history of `orders` keeps what `kept` says. */
export async function openNodes(
  t: TestContext,
  kept: Partial<HistorySettings> = {},
  clock: NonNullable<TestGatewayOptions['clock']> = systemClock,
): Promise<Nodes> {
  const broker = new MemoryBroker()
  const orders = testSettings.namespaces.get('orders')
  if (orders?.history === undefined) throw new Error('orders is durable')
  const namespaces = new Map([
    ...testSettings.namespaces,
    ['orders', { ...orders, history: { ...orders.history, ...kept } }],
  ])
  const layout = { subjectPrefix: 'rt', namespaces, publicationBytesMax: 65_536 }
  const history = new SwitchHistory({ broker, layout, clock })
  const listeners = new Set<Listener>()
  history.onEvent((event) => listeners.forEach((listener) => listener(event)))
  await history.start()
  t.after(() => history.close())
  return {
    broker,
    history,
    start: (options = {}) =>
      startTestGateway(t, {
        clock,
        ...options,
        broker: new NodeBroker(broker),
        history: new NodeHistory(history, listeners),
        settings: { namespaces, ...options.settings },
      }),
    publish: async (channel, data, headers = {}) => {
      await broker.publish(`rt.pub.${channel}`, Buffer.from(JSON.stringify(data)), headers)
    },
  }
}
