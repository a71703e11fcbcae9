/** Nodes over one history, on a wire that loses, doubles and delays; clients that move about. */
import assert from 'node:assert/strict'
import { isChannel, type Channel } from '../../shared/channel.js'
import type { BrokerMessage, BrokerSubscription } from '../broker.js'
import type { DurableOptions } from '../durable-namespaces.js'
import type {
  History,
  HistoryEvent,
  HistoryState,
  Screened,
  StoredPublication,
} from '../history.js'
import { Hub } from '../hub.js'
import { MemoryBroker } from '../memory-broker.js'
import { defaultHistory, type HistorySettings, type Namespaces } from '../namespaces.js'
import { FakeClock } from './fake-clock.js'
import type { TestScope } from './nats-server.js'
import { SwitchHistory } from './switch-history.js'

export type Fate = 'arrives' | 'lost' | 'twice' | 'late'

/** What happens to a live publication on its way to one node. */
export type Wire = (subject: string) => Fate

/** The broker as one node sees it: its own wire for live publications, its own outages. */
class NodeBroker extends MemoryBroker {
  readonly #shared: MemoryBroker
  readonly #wire: Wire
  readonly #confirms: () => Promise<void>
  readonly #clock: FakeClock
  isAway = false

  constructor(shared: MemoryBroker, options: WorldOptions, clock: FakeClock) {
    super()
    this.#shared = shared
    this.#wire = options.wire ?? (() => 'arrives')
    this.#confirms = options.confirms ?? (async () => {})
    this.#clock = clock
  }

  override get isConnected(): boolean {
    return !this.isAway
  }

  override subscribe(
    subject: string,
    receive: (message: BrokerMessage) => void,
  ): BrokerSubscription {
    const subscription = this.#shared.subscribe(subject, (message) => this.#pass(message, receive))
    return {
      confirm: async () => {
        await this.#confirms()
        return !this.isAway && subscription.confirm()
      },
      unsubscribe: () => subscription.unsubscribe(),
    }
  }

  #pass(message: BrokerMessage, receive: (message: BrokerMessage) => void): void {
    const fate = this.isAway ? 'lost' : this.#wire(message.subject)
    if (fate === 'lost') return
    if (fate === 'late') {
      const kept = { ...message, payload: new Uint8Array(message.payload) }
      this.#clock.after(20, () => this.isAway || receive(kept))
      return
    }
    receive(message)
    if (fate === 'twice') receive(message)
  }
}

/** One history for several nodes: each hears its events; one may be answered by a late replica. */
class NodeHistory implements History {
  readonly #shared: SwitchHistory
  readonly #listeners: Set<(event: HistoryEvent) => void>
  readonly #lag: () => number
  readonly #meanwhile: (question: string) => Promise<void>
  #listener: (event: HistoryEvent) => void = () => {}

  constructor(
    shared: SwitchHistory,
    listeners: Set<(event: HistoryEvent) => void>,
    options: WorldOptions,
  ) {
    this.#shared = shared
    this.#listeners = listeners
    this.#lag = options.lag ?? (() => 0)
    this.#meanwhile = options.meanwhile ?? (async () => {})
  }

  onEvent(listener: (event: HistoryEvent) => void): void {
    this.#listener = listener
    this.#listeners.add(listener)
  }

  async start(): Promise<void> {
    this.#listener({ type: 'available', namespace: 'orders' })
  }

  async close(): Promise<void> {
    this.#listeners.delete(this.#listener)
  }

  state(namespace: string): Promise<HistoryState | undefined> {
    return this.#shared.state(namespace)
  }

  async screen(namespace: string, channels: readonly Channel[]): Promise<Screened | undefined> {
    const state = await this.#shared.state(namespace)
    if (state === undefined) return undefined
    const asOf = Math.max(0, state.last - this.#lag())
    const newest = new Map<Channel, StoredPublication>()
    for (const channel of channels) {
      const page = await this.#shared.read(namespace, channel, 1, Infinity, Infinity)
      const last = page?.publications.filter(({ offset }) => offset <= asOf).at(-1)
      if (last !== undefined) newest.set(channel, last)
    }
    await this.#meanwhile(`screen ${channels.join(' ')}`)
    return { asOf, newest }
  }

  async read(...question: Parameters<History['read']>): ReturnType<History['read']> {
    const page = await this.#shared.read(...question)
    if (page === undefined) return undefined
    const asOf = Math.max(0, page.asOf - this.#lag())
    const publications = page.publications.filter(({ offset }) => offset <= asOf)
    await this.#meanwhile(`read ${question[1]}`)
    return { ...page, publications, asOf }
  }

  scan(...question: Parameters<History['scan']>): ReturnType<History['scan']> {
    return this.#shared.scan(...question)
  }

  publish(...question: Parameters<History['publish']>): ReturnType<History['publish']> {
    return this.#shared.publish(...question)
  }
}

export interface Stored {
  readonly channel: string
  readonly number: number
  readonly offset: number
  readonly generation: number
}

export interface WorldOptions {
  readonly settings?: Partial<HistorySettings>
  readonly limits?: Partial<DurableOptions['limits']>
  readonly ringCountMax?: number
  readonly wire?: Wire
  /** By how many offsets the replica that answers is behind. */
  readonly lag?: () => number
  /** Before an answer arrives, say that to `read orders.1` or `screen orders.1 orders.2`. */
  readonly meanwhile?: (question: string) => Promise<void>
  /** The broker says when this resolves that it has taken an interest. */
  readonly confirms?: () => Promise<void>
}

export interface WorldNode {
  readonly hub: Hub
  /** Its connection to the broker is cut; what passes meanwhile is lost to it. */
  cut(): void
  join(): void
}

const limits = {
  publicationBytesMax: 1_000,
  channelsMax: 10_000,
  lingeringMax: 100,
  lingerMs: 30_000,
  ringBytesMax: 1_000_000,
  ringsBytesMax: 10_000_000,
}

const durableLimits: DurableOptions['limits'] = {
  recoveryCountMax: 1_000,
  recoveryBytesMax: 1_000_000,
  recoveriesBytesMax: 10_000_000,
  patternChannelsMax: 1_000,
  verifyMs: 60_000,
}

export class World {
  readonly clock: FakeClock = new FakeClock()
  readonly broker: MemoryBroker = new MemoryBroker()
  readonly history: SwitchHistory
  /** Nothing that is live arrives at any node, unless the wire says otherwise. */
  isLosing = false
  /** How often the history was made anew, or rewound. */
  generation = 0
  /** The generation that it was made anew in last. */
  madeAnew = 0
  /** What was stored, in order. */
  readonly stored: Stored[] = []
  /** The numbers of what a rewind took away: it never was. */
  readonly rewound: Set<number> = new Set()
  readonly #scope: TestScope
  readonly #options: WorldOptions
  readonly #namespaces: Namespaces
  readonly #listeners = new Set<(event: HistoryEvent) => void>()

  private constructor(scope: TestScope, options: WorldOptions) {
    this.#scope = scope
    this.#options = options
    const history = { ...defaultHistory, ...options.settings }
    this.#namespaces = new Map([['orders', { history, patterns: true }]])
    const layout = { namespaces: this.#namespaces, subjectPrefix: 'rt', publicationBytesMax: 1_000 }
    this.history = new SwitchHistory({ broker: this.broker, layout, clock: this.clock })
    this.history.onEvent((event) => this.#listeners.forEach((listener) => listener(event)))
  }

  static async open(scope: TestScope, options: WorldOptions = {}): Promise<World> {
    const world = new World(scope, options)
    await world.history.start()
    scope.after(() => world.history.close())
    return world
  }

  async node(): Promise<WorldNode> {
    const { ringCountMax = 100 } = this.#options
    const wire = (): Fate => (this.isLosing ? 'lost' : 'arrives')
    const broker = new NodeBroker(this.broker, { wire, ...this.#options }, this.clock)
    const history = new NodeHistory(this.history, this.#listeners, this.#options)
    const hub = new Hub({
      broker,
      clock: this.clock,
      limits: { ...limits, ringCountMax },
      subjectPrefix: 'rt',
      onEvent: () => {},
      durable: {
        history,
        namespaces: this.#namespaces,
        limits: { ...durableLimits, ...this.#options.limits },
        onEvent: () => {},
      },
    })
    this.#scope.after(() => hub.close())
    await hub.start()
    await this.settle(50)
    return {
      hub,
      cut: () => (broker.isAway = true),
      join: () => {
        broker.isAway = false
        void broker.start()
      },
    }
  }

  /** Stores a publication that says its number. */
  async publish(channel: string, headers: Record<string, string> = {}, bytes = 0): Promise<number> {
    assert.ok(isChannel(channel))
    const number = this.stored.length
    const payload = new TextEncoder().encode(String(number).padEnd(bytes))
    const result = await this.history.publish(channel, payload, headers)
    assert.ok(result.ok)
    this.stored.push({ channel, number, offset: result.offset, generation: this.generation })
    return result.offset
  }

  /** Deletes the history and makes it anew. */
  renew(): void {
    this.history.wipe('orders')
    this.generation += 1
    this.madeAnew = this.generation
  }

  /** Restores a backup that ends with this offset. */
  rewind(last: number): void {
    this.history.rewind('orders', last)
    this.generation += 1
    for (const { number, offset } of this.stored) if (offset > last) this.rewound.add(number)
  }

  /** Turns the clock until it has come about. */
  async until<Value>(promise: Promise<Value>): Promise<Value> {
    let isOver = false
    const watched = promise.finally(() => (isOver = true))
    for (let turns = 0; !isOver && turns < 4_000; turns += 1) await this.settle(stepMs)
    assert.ok(isOver, 'it has not come about within 20 s')
    return watched
  }

  /** Turns the clock, and lets everything happen that happens meanwhile. */
  async settle(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += stepMs) {
      this.clock.advance(stepMs)
      for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

const stepMs = 5
