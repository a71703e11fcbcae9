/** One node of a model cluster: what its connections have subscribed, and how it fails. */
import type { PublicationFrame } from '../../shared/frames.js'
import type { Clock } from '../clock.js'
import type { Chance } from './model-chance.js'
import { readCursor, writeCursor, type Places } from './model-cursor.js'
import type { ModelHistory } from './model-history.js'
import { durableNamespace, type ModelPlace, type Said, type Source } from './model-reading.js'
import { ModelRings } from './model-rings.js'

/** What all nodes share. */
export interface ClusterState {
  readonly clock: Clock
  readonly chance: Chance
  readonly histories: ReadonlyMap<string, ModelHistory>
  /** What every token subscribes. */
  readonly claims: readonly string[]
  /** Of cursors: another one cannot be read. */
  cursorVersion: number
  /** Who speaks against the protocol is noted. */
  readonly faults: string[]
}

export interface NodeConnection {
  has(name: string): boolean
  /** There may be something to say. */
  pull(): void
  /** The process died, or the network. */
  die(): void
  /** The node leaves, and says so. */
  leave(): void
  /** Another connection is to be open in so many ms. */
  reconnect(afterMs: number): void
  /** The next publication of this name is lost on the way. */
  leak(name: string): void
}

export const heartbeatSeconds = 10
export const recoveryMax = 6
const toleranceMs = 5_000

/** A subscription of one connection. */
export class Feed {
  readonly name: string
  readonly source: Source
  at: ModelPlace
  /** The next that is said is lost on the way, as it never should. */
  isLeaky = false

  constructor(name: string, source: Source, at: ModelPlace) {
    this.name = name
    this.source = source
    this.at = at
  }

  pull(): readonly Said[] {
    const { said, at } = this.source.read(this.name, this.at, Infinity)
    this.at = at
    if (!this.isLeaky || said.length === 0) return said
    this.isLeaky = false
    return said[0]?.frame.type === 'publication' ? said.slice(1) : said
  }
}

/** What a request shows of where it was. */
export interface Shown {
  readonly cursor?: string | undefined
  readonly positions?: Readonly<Record<string, ModelPlace | string>> | undefined
}

export class ModelNode {
  readonly cluster: ClusterState
  readonly connections: Set<NodeConnection> = new Set<NodeConnection>()
  /** Of this process. */
  id = ''
  state: 'up' | 'draining' | 'down' = 'up'
  /** It has lost its broker. */
  isBlind = false
  #rings: ModelRings
  readonly #index: number
  #starts = 0

  constructor(cluster: ClusterState, index: number) {
    this.cluster = cluster
    this.#index = index
    this.#rings = this.#start()
  }

  source(name: string): Source {
    if (!durableNamespace(name)) return this.#rings
    return this.cluster.histories.get(name.split('.')[0] ?? '') as ModelHistory
  }

  publish(frame: PublicationFrame): void {
    if (this.state === 'down' || this.isBlind) return
    this.#rings.publish(frame)
    this.pull()
  }

  pull(): void {
    if (this.isBlind) return
    for (const connection of [...this.connections]) connection.pull()
  }

  see(): void {
    if (!this.isBlind) return
    this.isBlind = false
    this.#rings.interrupt()
    this.pull()
  }

  kill(): void {
    this.state = 'down'
    for (const connection of [...this.connections]) connection.die()
    this.connections.clear()
  }

  restart(): void {
    this.kill()
    this.isBlind = false
    this.state = 'up'
    this.#rings = this.#start()
  }

  drain(slotMs: number, graceMs: number): void {
    if (this.state !== 'up') return
    this.state = 'draining'
    const { clock, chance } = this.cluster
    for (const connection of [...this.connections]) connection.reconnect(chance.upTo(slotMs))
    clock.after(graceMs, () => {
      if (this.state !== 'draining') return
      for (const connection of [...this.connections]) connection.leave()
      clock.after(100, () => {
        if (this.state === 'draining') this.restart()
      })
    })
  }

  /** Undefined: a cursor of it cannot be read. Names that it does not cover are not in it. */
  places(names: readonly string[], { cursor, positions }: Shown): Places | undefined {
    const covered = this.#read(cursor)
    if (covered === undefined) return undefined
    const places: Record<string, ModelPlace> = {}
    for (const name of names) {
      const own = positions?.[name]
      const read = typeof own === 'string' ? this.#read(own) : undefined
      if (typeof own === 'string' && read === undefined) return undefined
      const place = typeof own === 'string' ? read?.[name] : (own ?? covered[name])
      if (place !== undefined) places[name] = place
    }
    return places
  }

  cursor(feeds: Iterable<Feed>): string {
    const places = Object.fromEntries([...feeds].map(({ name, at }) => [name, at]))
    return writeCursor(this.cluster.cursorVersion, places)
  }

  #read(cursor: string | undefined): Places | undefined {
    return cursor === undefined ? {} : readCursor(this.cluster.cursorVersion, cursor)
  }

  /** Where a name begins that shows no place. */
  begin(name: string, last: number | undefined): ModelPlace {
    const source = this.source(name)
    const history = this.cluster.histories.get(name.split('.')[0] ?? '')
    return last !== undefined && history === source ? history.before(name, last) : source.live(name)
  }

  hasEnded(name: string, place: ModelPlace | undefined): boolean {
    const history = this.cluster.histories.get(name.split('.')[0] ?? '')
    return history?.hasEnded(name, place) === true
  }

  #start(): ModelRings {
    this.#starts += 1
    this.id = `node${this.#index}.${this.#starts}`
    const isUsed = (name: string): boolean =>
      [...this.connections].some((connection) => connection.has(name))
    return new ModelRings(this.cluster.clock, this.id, isUsed)
  }
}

/** When a token expires, in ms since 1970; undefined for one that no gateway has made. */
export function expiryOf(credential: string): number | undefined {
  const [, expiresAt] = /^(?:bearer|ticket)[. ]\d+_(\d+)$/.exec(credential) ?? []
  return expiresAt === undefined ? undefined : Number(expiresAt)
}

export function isExpired(expiresAt: number, clock: Clock): boolean {
  return clock.now() >= expiresAt + toleranceMs
}

/** Runs when the token is no longer good. Returns what cancels it. */
export function atExpiry(expiresAt: number, clock: Clock, run: () => void): () => void {
  return clock.after(Math.max(0, expiresAt + toleranceMs - clock.now()), run)
}
