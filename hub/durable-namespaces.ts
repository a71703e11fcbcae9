/** All durable namespaces of a node, over one history. */
import { namespaceOf, type Channel } from '../shared/channel.js'
import { DurableCounters } from './durable-counters.js'
import { DurableNamespace, type DurableLimits } from './durable-namespace.js'
import { toPublication } from './durable-channels.js'
import type { Clock } from './clock.js'
import type { History, HistoryEvent, HistoryPublishResult, StoredPublication } from './history.js'
import type { HistorySettings, Namespaces } from './namespaces.js'
import type { Publication } from './publication.js'
import { RecoveryBudget } from './recovery-budget.js'
import type { RecoveryCosts } from './recovery-plan.js'
import { RecoveryPlanner } from './recovery-planner.js'
import type { LongScan } from './recovery-scans.js'
import type { Rings } from './rings.js'
import type { Subscription } from './subscription.js'

export interface DurableOptions {
  readonly history: History
  /** The durable ones among them are served from the history. */
  readonly namespaces: Namespaces
  readonly limits: Omit<DurableLimits, 'publicationBytesMax'> & {
    /** Bytes that all recoveries of the node hold at a time. */
    readonly recoveriesBytesMax: number
  }
  /** What reading costs, by storage; measured defaults where it is absent. */
  readonly costs?: Readonly<Record<HistorySettings['storage'], RecoveryCosts>>
  readonly onEvent: (event: HistoryEvent | ({ readonly type: 'long_scan' } & LongScan)) => void
}

/** What the hub lends them. */
export interface DurableSurroundings {
  readonly clock: Clock
  readonly rings: Rings
  readonly livePrefix: string
  readonly publicationBytesMax: number
  readonly confirmed: (subscription: Subscription) => true | Promise<boolean>
  readonly isLive: () => boolean
}

export type HistoryAnswer =
  | {
      readonly ok: true
      readonly epoch: string
      readonly publications: readonly Publication[]
      /** Whether there is more after the last of them. */
      readonly hasMore: boolean
      /** The channel's newest publication was its last. */
      readonly isEnded: boolean
    }
  | { readonly ok: false; readonly code: 'broker_unavailable' | 'overloaded' }

export class DurableNamespaces {
  readonly counters: DurableCounters = new DurableCounters()
  /** Rises whenever a verified offset or an epoch changes. */
  verifiedVersion = 0
  readonly budget: RecoveryBudget
  readonly #history: History | undefined
  readonly #onEvent: DurableOptions['onEvent']
  readonly #namespaces = new Map<string, DurableNamespace>()
  readonly #planners = new Map<string, RecoveryPlanner>()
  readonly #pageBytesMax: number

  constructor(options: DurableOptions | undefined, surroundings: DurableSurroundings) {
    this.budget = new RecoveryBudget(options?.limits.recoveriesBytesMax ?? 0)
    this.#history = options?.history
    this.#pageBytesMax = options?.limits.recoveryBytesMax ?? 0
    this.#onEvent = options?.onEvent ?? (() => {})
    if (options === undefined) return
    const { history, costs, limits } = options
    const { clock, publicationBytesMax } = surroundings
    for (const [name, { history: settings }] of options.namespaces) {
      if (settings === undefined) continue
      const planner: RecoveryPlanner = new RecoveryPlanner({
        history,
        namespace: name,
        state: () => namespace.state(),
        storage: settings.storage,
        clock,
        ...(costs !== undefined && { costs: costs[settings.storage] }),
        onLongScan: (scan) => this.#onEvent({ type: 'long_scan', ...scan }),
        onError: (reason) => this.#onEvent({ type: 'error', reason }),
      })
      this.#planners.set(name, planner)
      const namespace: DurableNamespace = new DurableNamespace({
        ...surroundings,
        name,
        settings,
        history,
        planner,
        limits: { ...limits, publicationBytesMax },
        budget: this.budget,
        counters: this.counters,
        onVerified: () => (this.verifiedVersion += 1),
      })
      this.#namespaces.set(name, namespace)
    }
    history.onEvent((event) => this.#historyEvent(event))
  }

  get all(): Iterable<DurableNamespace> {
    return this.#namespaces.values()
  }

  /** By namespace. */
  get planners(): ReadonlyMap<string, RecoveryPlanner> {
    return this.#planners
  }

  /** Undefined: channels of that namespace are ephemeral. */
  get(namespace: string): DurableNamespace | undefined {
    return this.#namespaces.get(namespace)
  }

  async start(): Promise<void> {
    await this.#history?.start()
  }

  async close(): Promise<void> {
    for (const namespace of this.#namespaces.values()) namespace.close()
    await this.#history?.close()
  }

  /** The broker is back: what passed meanwhile is read from the history. */
  reconnected(): void {
    for (const namespace of this.#namespaces.values()) namespace.verify()
  }

  async publish(
    channel: Channel,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<HistoryPublishResult> {
    if (this.#history === undefined) return { ok: false, code: 'broker_unavailable' }
    return this.#history.publish(channel, payload, headers)
  }

  async history(channel: Channel, after: number, limit: number): Promise<HistoryAnswer> {
    const name = namespaceOf(channel)
    // Of before it is read: what is learned meanwhile is not of this page.
    const epoch = this.#namespaces.get(name)?.epoch
    const page = await this.#planners.get(name)?.read(channel, after + 1, limit, this.#pageBytesMax)
    if (page === 'overloaded') return { ok: false, code: page }
    if (page === undefined) return historyAway
    const newest = page.publications.at(-1) ?? (await this.#newestOf(name, channel))
    const state = await this.#history?.state(name)
    if (newest === undefined || state === undefined || epoch === undefined) return historyAway
    // Of another history than is known, or from a replica that lags: it may be asked again.
    const isCurrent = page.asOf >= (this.#namespaces.get(name)?.verified ?? 0) || !page.isWhole
    if (state.epoch !== epoch || state.last < page.asOf || !isCurrent) return historyAway
    const publications = page.publications.map((stored, at) =>
      toPublication(stored, page.publications[at - 1]?.offset ?? 0),
    )
    // An end that came after the page is on the next one.
    const isEnded = page.isWhole && newest !== 'none' && newest.isEnd && newest.offset <= page.asOf
    return { ok: true, epoch, publications, hasMore: !page.isWhole, isEnded }
  }

  async #newestOf(name: string, channel: Channel): Promise<StoredPublication | 'none' | undefined> {
    const screened = await this.#history?.screen(name, [channel])
    return screened && (screened.newest.get(channel) ?? 'none')
  }

  #historyEvent(event: HistoryEvent): void {
    if ('namespace' in event) {
      const namespace = this.#namespaces.get(event.namespace)
      if (event.type === 'unavailable') namespace?.unavailable()
      else if (event.type === 'available') namespace?.available()
      else namespace?.verify()
    }
    this.#onEvent(event)
  }
}

const historyAway: HistoryAnswer = { ok: false, code: 'broker_unavailable' }
