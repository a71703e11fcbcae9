/** Tabs of one browser, played: locks, a broadcast, a gateway with histories, and tabs that die. */
import { setImmediate } from 'node:timers/promises'
import type { Channel, ChannelEvent } from '../channel.js'
import { SharedConnection } from '../shared-connection.js'
import { SingleConnection } from '../single-connection.js'
import { TabElection, type Broadcast, type LockQueue } from '../tab-election.js'
import { TabHub } from '../tab-hub.js'
import { Tidegate } from '../tidegate.js'
import type { Connection, ConnectionEvent, ConnectionRequest, Transport } from '../transport.js'
import { FakeClock } from './fake-clock.js'

const epoch = '0123456789ab'

export class TabWorld {
  readonly clock: FakeClock = new FakeClock()
  readonly random: () => number
  readonly tabs: FakeTab[] = []
  /** How many were published, by channel: they are numbered from 1. */
  readonly published: Map<string, number> = new Map()
  readonly locks: FakeLocks = new FakeLocks()
  readonly connections: Set<PlayedConnection> = new Set()
  readonly #listeners = new Set<{ tab: FakeTab; hear: (data: unknown) => void }>()

  constructor(random: () => number) {
    this.random = random
  }

  open(): FakeTab {
    const tab = new FakeTab(this)
    this.tabs.push(tab)
    return tab
  }

  get living(): readonly FakeTab[] {
    return this.tabs.filter(({ isDead }) => !isDead)
  }

  /** Of a pattern there is one channel. */
  newest(name: string): number {
    return this.published.get(name.replace('*', 'a')) ?? 0
  }

  publish(channel: string): void {
    this.published.set(channel, this.newest(channel) + 1)
    for (const connection of this.connections) connection.published(channel)
  }

  broadcast(from: FakeTab, message: unknown): void {
    for (const { tab, hear } of this.#listeners) {
      if (tab !== from) tab.inbox.push(() => hear(structuredClone(message)))
    }
  }

  listen(tab: FakeTab, hear: (data: unknown) => void): () => void {
    const listener = { tab, hear }
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** One task of one tab. False: nothing is to be done. */
  async step(): Promise<boolean> {
    const busy = this.living.filter(({ inbox, isFrozen }) => inbox.length > 0 && !isFrozen)
    const tab = busy[Math.floor(this.random() * busy.length)]
    tab?.inbox.shift()?.()
    await setImmediate()
    return tab !== undefined
  }

  async settle(): Promise<void> {
    await setImmediate()
    while (await this.step());
  }

  /** Lets time pass, in steps in which everything is done. */
  async pass(seconds: number): Promise<void> {
    for (let at = 0; at < seconds * 2; at += 1) {
      this.clock.advance(500)
      await this.settle()
    }
  }
}

/** A channel in a tab, and what was heard of it. */
export interface Held {
  readonly tab: FakeTab
  readonly holder: Channel
  readonly heard: readonly number[]
  readonly gaps: readonly ChannelEvent[]
  /** How many had been published when it began; infinite until then. */
  readonly began: { readonly at: number }
}

export class FakeTab {
  readonly inbox: (() => void)[] = []
  readonly world: TabWorld
  readonly tidegate: Tidegate
  isDead = false
  isFrozen = false

  constructor(world: TabWorld) {
    this.world = world
    const { random } = world
    const clock = {
      now: () => world.clock.now(),
      // What its timers do, it does when it gets to it.
      after: (delayMs: number, run: () => void) => {
        let isOver = false
        const cancel = world.clock.after(delayMs, () => {
          this.inbox.push(() => {
            if (!isOver) run()
          })
        })
        return () => {
          isOver = true
          cancel()
        }
      },
    }
    this.tidegate = new Tidegate('http://gateway', {
      token: () => 'a token',
      transports: [new FakeTabs(this)],
      pace: { clock, random },
    })
  }

  hold(channel: string): Held {
    const holder = this.tidegate.channel(channel)
    const heard: number[] = []
    const gaps: ChannelEvent[] = []
    const began = { at: Infinity }
    holder.on('publication', ({ publication }) => heard.push(publication.data as number))
    holder.on('gap', (gap) => gaps.push(gap))
    holder.on('subscribed', () => (began.at = Math.min(began.at, this.world.newest(channel))))
    return { holder, heard, gaps, began, tab: this }
  }

  /** Without a word: the browser gives its lock to the next, its connection breaks. */
  crash(): void {
    this.isDead = true
    for (const connection of this.world.connections) {
      if (connection.tab === this) this.world.connections.delete(connection)
    }
    this.world.locks.forget(this)
  }

  get connections(): number {
    return [...this.world.connections].filter(({ tab }) => tab === this).length
  }
}

/** What `sharedTabs()` does, with the browser's means played. */
class FakeTabs implements Transport {
  readonly name = 'websocket'
  readonly #tab: FakeTab

  constructor(tab: FakeTab) {
    this.#tab = tab
  }

  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    const tab = this.#tab
    const { gateway } = request
    const { clock } = gateway.pace
    const transports = [new PlayedTransport(tab)]
    return new SharedConnection(request, onEvent, {
      name: 'tabs',
      openLine: (listener) => {
        const place = {
          ...{ lockName: 'tabs', locks: tab.world.locks.of(tab), broadcast: broadcastOf(tab) },
        }
        const openGateway = () => gateway
        return new TabElection(
          ...([gateway.pace, place] as const),
          (send) => new TabHub({ transports, clock, openGateway, send }),
          listener,
        )
      },
      onTransport: () => undefined,
    })
  }
}

function broadcastOf(tab: FakeTab): Broadcast {
  const stops: (() => void)[] = []
  return {
    postMessage: (message) => {
      if (!tab.isDead) tab.world.broadcast(tab, message)
    },
    addEventListener: (_type, hear) => {
      stops.push(tab.world.listen(tab, (data) => hear({ data })))
    },
    close: () => stops.forEach((stop) => stop()),
  }
}

interface Wish {
  readonly tab: FakeTab
  readonly run: () => Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/** `navigator.locks`, of one lock. */
class FakeLocks {
  #holder: Wish | undefined
  readonly #queue: Wish[] = []

  of(tab: FakeTab): LockQueue {
    return {
      request: (_name, { signal, steal }, run) =>
        new Promise((resolve, reject) => {
          const wish: Wish = { tab, run, resolve, reject }
          signal?.addEventListener('abort', () => {
            const at = this.#queue.indexOf(wish)
            if (at !== -1) this.#queue.splice(at, 1)
            if (wish !== this.#holder) reject(new Error('given up'))
          })
          if (steal !== true) this.#queue.push(wish)
          else {
            const victim = this.#holder
            victim?.tab.inbox.push(() => victim.reject(new Error('stolen')))
            this.#grant(wish)
          }
          this.#next()
        }),
    }
  }

  get holder(): FakeTab | undefined {
    return this.#holder?.tab
  }

  forget(tab: FakeTab): void {
    this.#queue.splice(0, Infinity, ...this.#queue.filter((wish) => wish.tab !== tab))
    if (this.#holder?.tab === tab) this.#holder = undefined
    this.#next()
  }

  #next(): void {
    if (this.#holder !== undefined) return
    const next = this.#queue.shift()
    if (next !== undefined) this.#grant(next)
  }

  #grant(wish: Wish): void {
    this.#holder = wish
    wish.tab.inbox.push(() => {
      void wish.run().then(() => {
        wish.resolve()
        if (this.#holder === wish) this.#holder = undefined
        this.#next()
      })
    })
  }
}

class PlayedTransport implements Transport {
  readonly name = 'websocket'
  readonly #tab: FakeTab

  constructor(tab: FakeTab) {
    this.#tab = tab
  }

  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    return new PlayedConnection(request, onEvent, this.#tab)
  }
}

/** As by WebSocket: each channel has its history from the place that was shown, then live. */
export class PlayedConnection extends SingleConnection {
  readonly tab: FakeTab
  /** By name, the newest when live began. */
  readonly #live = new Map<string, number>()
  #names: ReadonlySet<string>
  #isWelcome = false

  constructor(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void, tab: FakeTab) {
    super(request, onEvent)
    this.tab = tab
    this.#names = new Set(request.channels)
    tab.world.connections.add(this)
    tab.inbox.push(() => this.#welcome())
  }

  override update(channels: readonly string[]): boolean {
    this.#names = new Set(channels)
    for (const name of this.#live.keys()) {
      if (!this.#names.has(name)) this.#live.delete(name)
    }
    if (this.#isWelcome) this.#subscribeAll()
    return true
  }

  override check(): void {}

  published(channel: string): void {
    const number = this.tab.world.newest(channel)
    this.tab.inbox.push(() => {
      for (const name of [channel, channel.replace(/a$/, '*')]) {
        const isDue = number > (this.#live.get(name) ?? Infinity)
        if (isDue && !this.isClosed) this.#send(name, number)
      }
    })
  }

  /** Everything that was published before has come. */
  heartbeat(): void {
    const offset = this.tab.world.newest('all.*')
    this.tab.inbox.push(() => {
      if (this.isClosed) return
      const isHeard = (name: string): boolean => this.#live.has(name)
      this.request.progress.heartbeat({ all: { epoch, offset } }, isHeard)
    })
  }

  breakOff(): void {
    this.fail('connection_lost', 'the network is gone')
  }

  protected release(): void {
    this.tab.world.connections.delete(this)
  }

  #welcome(): void {
    if (this.isClosed) return
    this.#isWelcome = true
    this.emit({ type: 'welcome' })
    this.#subscribeAll()
    this.emit({ type: 'ready' })
  }

  #subscribeAll(): void {
    for (const name of this.#names) {
      if (!this.#live.has(name)) this.#subscribe(name)
    }
  }

  #subscribe(channel: string): void {
    this.#live.set(channel, this.tab.world.newest(channel))
    const { progress } = this.request
    this.emit({ type: 'subscribed', channel })
    if (channel.startsWith('live.')) {
      if (progress.beginEphemeral(channel)) this.missed(channel)
      return
    }
    const place = progress.place(channel)
    const newest = this.tab.world.newest(channel)
    progress.begin(channel, { epoch, offset: newest, time: newest }, place !== undefined)
    if (typeof place !== 'object') return
    for (let number = place.offset + 1; number <= newest; number += 1) this.#send(channel, number)
  }

  #send(name: string, number: number): void {
    const offsets = name.startsWith('live.') ? {} : { offset: number, previous: number - 1 }
    const channel = name.replace('*', 'a')
    const pattern = name === channel ? {} : { pattern: name }
    this.take({ channel, ...pattern, ...offsets, time: number, data: number })
  }
}
