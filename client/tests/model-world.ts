/** A world of chance for one client: the gateway, the application, the time, and the truth. */
import { setImmediate } from 'node:timers/promises'
import { EventStreamTransport } from '../event-stream-transport.js'
import { LongPollTransport, shortPollPace } from '../long-poll-transport.js'
import { Positions } from '../position-store.js'
import { Tidegate } from '../tidegate.js'
import type { Transport } from '../transport.js'
import { WebSocketTransport } from '../websocket-transport.js'
import { FakeClock } from './fake-clock.js'
import { Chance, type Odds } from './model-chance.js'
import { ModelGateway } from './model-gateway.js'
import { ModelHolder, type HolderKind } from './model-holder.js'
import { judge } from './model-judge.js'
import { Truth } from './model-truth.js'

export type Way = 'websocket' | 'event-stream' | 'long-poll' | 'short-poll'

export interface WorldOptions {
  readonly random: () => number
  readonly odds: Odds
  readonly ways: readonly Way[]
  readonly last: number | undefined
  readonly claims: readonly string[]
  readonly tokenMs: number
}

/** Timers that run at one time without end are a fault. */
const stepsMax = 20_000

export class World {
  readonly gateway: ModelGateway
  readonly truth: Truth = new Truth()
  readonly holders: ModelHolder[] = []
  readonly faults: string[] = []
  readonly #options: WorldOptions
  readonly #clock = new FakeClock()
  readonly #gatewayClock = new FakeClock()
  #saved: string | undefined
  #tidegate: Tidegate

  constructor(options: WorldOptions) {
    const { random, odds, claims, tokenMs } = options
    this.#options = options
    const chance = new Chance(random, odds)
    this.gateway = new ModelGateway({ clock: this.#gatewayClock, chance, claims, tokenMs })
    this.#tidegate = this.#connect()
  }

  get held(): readonly ModelHolder[] {
    return this.holders.filter(({ isClosed }) => !isClosed)
  }

  get state(): Tidegate['state'] {
    return this.#tidegate.state
  }

  take(name: string, kind: HolderKind): void {
    const holder = new ModelHolder(name, kind, this.truth)
    this.holders.push(holder)
    holder.hold(this.#tidegate)
  }

  publish(channel: string, hole = 0, isEnd = false): void {
    const published = this.truth.add(channel)
    published.offset = this.gateway.publish(channel, published.data, hole, isEnd)
  }

  renewHistory(namespace: string): void {
    this.truth.renewed(namespace)
    this.gateway.renew(namespace)
  }

  /** The page is opened anew; unless it is left in peace, the last second is not saved. */
  renewClient(isInPeace: boolean): void {
    const before = this.#saved
    const old = this.#tidegate
    const held = this.held
    old.close()
    if (!isInPeace) this.#saved = before
    const saved = this.#saved
    const kept = new Set(Object.keys(JSON.parse(saved ?? '{}') as object))
    this.#tidegate = this.#connect()
    for (const holder of held) {
      const others = held.filter(({ name }) => name === holder.name)
      const isExact = isInPeace && others.every(({ kind }) => kind === 'listener')
      holder.renew(isExact && !holder.name.includes('*'), kept.has(holder.name))
      holder.hold(this.#tidegate)
    }
  }

  async pass(ms: number): Promise<void> {
    const [clock, gatewayClock] = [this.#clock, this.#gatewayClock]
    const end = clock.now() + ms
    for (let steps = 0; ; steps += 1) {
      await setImmediate()
      const next = Math.min(clock.delays[0] ?? Infinity, gatewayClock.delays[0] ?? Infinity)
      const left = end - clock.now()
      if (next > left && left === 0) return
      if (steps > stepsMax) return void this.faults.push('timers run without end')
      const step = Math.min(next, left)
      gatewayClock.advance(step)
      clock.advance(step)
    }
  }

  /** Everything works again: what is held catches up. */
  async heal(channels: readonly string[]): Promise<void> {
    this.gateway.heal()
    for (const holder of this.held) holder.permit(Infinity)
    await this.pass(150_000)
    for (const channel of channels) this.publish(channel)
    await this.pass(30_000)
    // It may be coming back with a new token just now.
    for (let tries = 0; this.state.type !== 'connected' && tries < 5; tries += 1) {
      await this.pass(500)
    }
    const { type } = this.state
    const mayRest = this.held.every(({ hasEnded }) => hasEnded)
    if (type !== 'connected' && !(type === 'idle' && mayRest)) this.faults.push(`it is ${type}`)
  }

  async close(channels: readonly string[]): Promise<void> {
    const beginsWithNewest = this.#options.last !== undefined
    for (const holder of this.holders) {
      this.faults.push(...judge(holder.witness(beginsWithNewest), this.truth))
    }
    this.#tidegate.close()
    const counts = this.holders.map(({ heard }) => heard.length)
    for (const channel of channels) this.publish(channel)
    await this.pass(0)
    await this.pass(100)
    this.holders.forEach(({ heard, name }, at) => {
      if (heard.length > (counts[at] ?? 0)) this.faults.push(`${name} was heard after the close`)
    })
    const { open, state } = this.gateway
    if (open.size > 0) this.faults.push(`${open.size} connections are still open`)
    if (this.#clock.delays.length > 0) {
      this.faults.push(`timers are left: ${this.#clock.delays.join(', ')} ms`)
    }
    this.faults.push(...state.faults)
  }

  #connect(): Tidegate {
    const { ways, random, last } = this.#options
    const { gateway } = this
    const positions = new Positions({
      load: () => this.#saved,
      save: (text) => void (this.#saved = text),
    })
    return new Tidegate('http://gateway', {
      ...{ token: () => gateway.token(), fetch: gateway.fetch, positions },
      transports: ways.map((way) => this.#transport(way)),
      ...(last !== undefined && { last }),
      pace: { clock: this.#clock, random },
    })
  }

  #transport(way: Way): Transport {
    switch (way) {
      case 'websocket':
        return new WebSocketTransport(this.gateway.openSocket)
      case 'event-stream':
        return new EventStreamTransport()
      case 'long-poll':
        return new LongPollTransport()
      case 'short-poll':
        return new LongPollTransport(shortPollPace)
    }
  }
}
