/** Whether the stream of one namespace can be used now; it is looked for while it cannot. */
import type { Clock } from './clock.js'
import type { HistoryEvent, HistoryState } from './history.js'
import { apiErrors, streamInfo, type ApiFault } from './jetstream-api.js'
import { streamDifferences, type ExistingConfig, type StreamConfig } from './jetstream-stream.js'
import type { NatsBroker } from './nats-broker.js'

/** While it is away; twice that at most. */
const retryMs = 1_000
/** While all is well: what changed without a word, or was made anew. */
const checkMs = 15_000
/** However many requests fail: no two looks within this. */
const lookMsMin = 250

const isNotThere = 'the stream does not exist: run `tidegate provision`'

export interface WatchParts {
  readonly broker: NatsBroker
  readonly clock: Clock
  readonly random: () => number
  readonly timeoutMs: number
  readonly emit: (event: HistoryEvent) => void
}

export class StreamWatch {
  readonly #namespace: string
  readonly #wanted: StreamConfig
  readonly #parts: WatchParts
  #isAvailable = false
  /** Found, and not fit to be used. */
  #isUnfit = false
  #state: HistoryState | undefined = undefined
  #toldReason: string | undefined = undefined
  #isLooking = false
  #isClosed = false
  #lookedAt = -Infinity
  #cancelNext: () => void = () => {}

  constructor(namespace: string, wanted: StreamConfig, parts: WatchParts) {
    this.#namespace = namespace
    this.#wanted = wanted
    this.#parts = parts
  }

  get isAvailable(): boolean {
    return this.#isAvailable
  }

  get isUnfit(): boolean {
    return this.#isUnfit
  }

  /** At once, or as soon as the last look is long enough ago. */
  lookSoon(): void {
    if (this.#isLooking || this.#isClosed) return
    const agoMs = this.#parts.clock.now() - this.#lookedAt
    if (agoMs < 0 || agoMs >= lookMsMin) void this.look()
    else this.#lookAfter(lookMsMin - agoMs)
  }

  /** An advisory says so: its leader, its configuration, or all of it is another. */
  changed(): void {
    if (this.#isAvailable) this.#parts.emit({ type: 'changed', namespace: this.#namespace })
    this.lookSoon()
  }

  disconnected(): void {
    this.#unavailable('the connection for reads has ended')
    this.#cancelNext()
  }

  close(): void {
    this.#isClosed = true
    this.#isAvailable = false
    this.#cancelNext()
  }

  async look(): Promise<void> {
    const { broker, timeoutMs, clock, random } = this.#parts
    const session = broker.readySession
    if (session === undefined || this.#isLooking || this.#isClosed) return
    this.#isLooking = true
    this.#cancelNext()
    const info = await streamInfo(session.connection, this.#wanted.name, timeoutMs)
    this.#isLooking = false
    this.#lookedAt = clock.now()
    if (this.#isClosed) return
    // The word of an earlier connection: the present one looks for itself.
    if (broker.readySession !== session) return void this.look()
    if (info.ok) this.#found(info.value.config, info.value.state)
    else this.#unavailable(reasonOf(info.fault))
    this.#lookAfter(this.#isAvailable ? checkMs : retryMs * (1 + random()))
  }

  #found(config: ExistingConfig, state: HistoryState): void {
    const unfit = streamDifferences(this.#wanted, config).filter(({ isUnfit }) => isUnfit)
    this.#isUnfit = unfit.length > 0
    if (unfit.length > 0) {
      const lines = unfit.map(({ line }) => line).join('; ')
      return this.#unavailable(`the stream is unfit (${lines}): run \`tidegate provision\``)
    }
    const before = this.#state
    this.#state = state
    this.#toldReason = undefined
    if (!this.#isAvailable) {
      this.#isAvailable = true
      this.#parts.emit({ type: 'available', namespace: this.#namespace })
    } else if (before !== undefined && isOther(before, state)) {
      this.#parts.emit({ type: 'changed', namespace: this.#namespace })
    }
  }

  #unavailable(reason: string): void {
    const isNews = this.#isAvailable || reason !== this.#toldReason
    this.#isAvailable = false
    this.#toldReason = reason
    if (isNews && !this.#isClosed) {
      this.#parts.emit({ type: 'unavailable', namespace: this.#namespace, reason })
    }
  }

  #lookAfter(delayMs: number): void {
    this.#cancelNext()
    this.#cancelNext = this.#parts.clock.after(delayMs, () => void this.look())
  }
}

function isOther(before: HistoryState, now: HistoryState): boolean {
  return before.epoch !== now.epoch || now.last < before.last
}

function reasonOf(fault: ApiFault): string {
  if (fault.type === 'refused' && fault.errorCode === apiErrors.streamNotFound) return isNotThere
  return fault.reason
}
