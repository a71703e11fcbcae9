/** Looks whether all channels of a namespace have everything: repairs, and the verified offset. */
import type { Channel } from '../shared/channel.js'
import type { Clock } from './clock.js'
import { completenessOf } from './completeness.js'
import type { DurableChannel } from './durable-channel.js'
import type { DurableChannels } from './durable-channels.js'
import type { DurableCounters } from './durable-counters.js'
import type { HistoryState, StoredPublication } from './history.js'
import type { Interest } from './interest.js'
import type { RecoveryOutcome, RecoveryRequest } from './recovery-request.js'
import { ChannelRepair, Repair, type RepairStart } from './repair.js'

/** What the verification needs of its namespace. */
export interface VerificationOwner {
  readonly clock: Clock
  readonly counters: DurableCounters
  readonly epoch: string | undefined
  readonly messagesPerChannel: number
  /** Between two passes over everything. */
  readonly intervalMs: number
  readonly canRead: boolean
  request(request: RecoveryRequest): void
  cancel(request: RecoveryRequest): void
  learn(state: HistoryState): 'same' | 'other' | 'unsure'
  state(): Promise<HistoryState | undefined>
  /** The verified offset has moved. */
  verifiedMoved(): void
}

/** Channels that are looked at together: what one screen holds, so that nobody notices. */
const sliceSize = 1_024
/** After an outage, when many have missed something: together they are worth one scan. */
const urgentSliceSize = 20_000
/** In a cluster a new interest takes a moment to reach every server. */
const secondLookMs = 1_500
const retryMs = 1_000

type Read = Extract<RecoveryOutcome, { ok: true }>

export class Verification {
  /** Of everything up to here this node knows that it has delivered it, in every channel. */
  verified = 0
  #verifiedAt = -Infinity
  readonly #owner: VerificationOwner
  readonly #channels: DurableChannels
  #isRunning = false
  /** Another pass is wanted as soon as this one is over. */
  #again = false
  /** The least that a channel which began during this pass was looked at up to. */
  #leastBase = Infinity
  #recent: DurableChannel[] = []
  #cancelNext: () => void = () => {}
  #cancelSecondLook: () => void = () => {}
  #isClosed = false

  constructor(owner: VerificationOwner, channels: DurableChannels) {
    this.#owner = owner
    this.#channels = channels
  }

  /** If nothing is removed by age so soon, nothing after the verified offset has been. */
  isYounger(youngMs: number): boolean {
    return this.#owner.clock.now() - this.#verifiedAt < youngMs
  }

  close(): void {
    this.#isClosed = true
    this.#cancelNext()
    this.#cancelSecondLook()
  }

  /** The history begins here, as far as this node is concerned. */
  reset(verified: number): void {
    this.verified = verified
    this.#verifiedAt = this.#owner.clock.now()
    this.#owner.verifiedMoved()
  }

  began(asOf: number, channel: DurableChannel | undefined): void {
    this.#leastBase = Math.min(this.#leastBase, asOf)
    if (channel === undefined) return
    if (this.#recent.push(channel) > 1) return
    this.#cancelSecondLook = this.#owner.clock.after(secondLookMs, () => void this.#lookAgain())
  }

  /** A pass over everything, now or after the one that is under way: much may have been missed. */
  run(): Promise<void> {
    return this.#run(urgentSliceSize)
  }

  async #run(size: number): Promise<void> {
    if (this.#isClosed) return
    this.#again = this.#isRunning
    if (this.#isRunning) return
    this.#isRunning = true
    this.#cancelNext()
    const isDone = this.#owner.canRead && (await this.#pass(size))
    this.#isRunning = false
    if (this.#isClosed) return
    if (this.#again) return this.run()
    const delayMs = isDone ? this.#owner.intervalMs : retryMs
    this.#cancelNext = this.#owner.clock.after(delayMs, () => void this.#run(sliceSize))
  }

  /** Resolves with the offset that it was looked at up to; undefined: that could not be done. */
  repair(channel: DurableChannel): Promise<number | undefined> {
    return this.#repairFrom(channel, { offset: this.#hasUpTo(channel) })
  }

  #hasUpTo({ chain }: DurableChannel): number {
    return Math.max(chain.seen, this.verified)
  }

  #repairFrom(channel: DurableChannel, start: RepairStart): Promise<number | undefined> {
    if (channel.repair !== undefined) return channel.repair.ended
    const floor = Math.max(this.verified, channel.heldUpTo)
    const repair = new ChannelRepair(channel, start, floor, (outcome) =>
      this.#repaired(repair, outcome),
    )
    channel.repair = repair
    this.#owner.counters.repairs += 1
    this.#owner.request(repair.request)
    return repair.ended
  }

  /** What is under way is of a history, or of a channel, that is of no concern any more. */
  abandon(channel: DurableChannel, asOf?: number): void {
    const { repair } = channel
    if (repair === undefined) return
    channel.repair = undefined
    this.#owner.cancel(repair.request)
    repair.end(asOf)
  }

  async #pass(size: number): Promise<boolean> {
    const startedAt = this.#owner.clock.now()
    const { epoch } = this.#owner
    this.#leastBase = Infinity
    const state = await this.#owner.state()
    if (state === undefined || this.#owner.learn(state) !== 'same') return false
    let asOf = state.last
    const channels = [...this.#channels.all].filter(({ chain }) => chain.hasBegun)
    for (let at = 0; at < channels.length; at += size) {
      const slice = channels.slice(at, at + size).map((channel) => this.repair(channel))
      for (const repaired of await Promise.all(slice)) {
        if (repaired === undefined) return false
        asOf = Math.min(asOf, repaired)
      }
    }
    for (const pattern of [...this.#channels.patterns]) {
      if (pattern.base === -1) continue
      const repaired = await this.#repairPattern(pattern)
      if (repaired === undefined) return false
      asOf = Math.min(asOf, repaired)
    }
    if (this.#owner.epoch !== epoch) return false
    this.#owner.counters.verifications += 1
    this.verified = Math.max(this.verified, Math.min(asOf, this.#leastBase))
    this.#verifiedAt = startedAt
    this.#owner.verifiedMoved()
    this.#channels.sweep()
    // A repair that had begun before may not have looked as far.
    return this.verified >= state.last
  }

  async #lookAgain(): Promise<void> {
    const recent = this.#recent
    this.#recent = []
    for (let at = 0; at < recent.length && this.#owner.canRead; at += sliceSize) {
      const slice = recent.slice(at, at + sliceSize)
      await Promise.all(
        slice.filter(({ chain }) => chain.hasBegun).map((channel) => this.repair(channel)),
      )
    }
  }

  #repaired({ channel, request, end }: ChannelRepair, outcome: RecoveryOutcome): void {
    if (channel.repair === undefined) return
    channel.repair = undefined
    const isRead = outcome.ok && this.#owner.learn(outcome.state) === 'same'
    if (!outcome.ok && outcome.code === 'rewound') this.#dropGhosts(channel, outcome.state)
    if (!isRead) {
      if (channel.held !== undefined) this.#repairLater(channel)
      return end(undefined)
    }
    const { isWhole, asOf } = outcome
    const { chain } = channel
    // How many follow a part nobody knows: only an anchor shows that nothing is gone before it.
    if (isWhole || chain.offset === 0 || request.start.time !== undefined) {
      this.#deliver(channel, request, outcome)
      if (isWhole && !channel.hasSpilled) return end(asOf)
      channel.hasSpilled = false
    }
    if (isWhole || chain.offset === 0) return void this.repair(channel).then(end)
    const { offset, time } = chain
    void this.#repairFrom(channel, { offset, time, verified: this.#hasUpTo(channel) }).then(end)
  }

  /** What is held is not of this history, by its leader's word: of an older one, or forged. */
  #dropGhosts(channel: DurableChannel, state: HistoryState): void {
    if (this.#owner.learn(state) !== 'same') return
    for (const publication of channel.takeHeld()) {
      if (publication.offset <= state.last) channel.hold(publication)
      else this.#owner.counters.unreadable += 1
    }
  }

  #repairLater(channel: DurableChannel): void {
    this.#owner.clock.after(retryMs, () => {
      if (!this.#isClosed && channel.held !== undefined) void this.repair(channel)
    })
  }

  #deliver(channel: DurableChannel, { start, found, anchorTime }: Repair, outcome: Read): void {
    const { chain } = channel
    const { state, isWhole, asOf } = outcome
    const isCounted = isWhole || anchorTime !== undefined
    const completeness = completenessOf({
      position: { ...start, epoch: state.epoch },
      anchorTime,
      countOfChannelMax: isCounted ? found.length : Infinity,
      state,
      messagesPerChannel: this.#owner.messagesPerChannel,
    })
    const after = Math.max(start.offset, start.verified ?? 0)
    const before = found[0]?.offset ?? asOf + 1
    if (completeness !== 'complete' && chain.seen <= after && before > after + 1) {
      this.#channels.expire(channel, before)
    }
    for (const stored of found) this.#channels.readFromHistory(stored, channel)
    if (isWhole) chain.cover(asOf)
    if (!channel.hasSpilled) this.#channels.releaseHeld(channel)
  }

  /** Of a channel that kept no more than this, older ones may be gone that never came here. */
  #deliverOfPattern(found: readonly StoredPublication[]): void {
    const counts = new Map<Channel, number>()
    for (const { channel } of found) counts.set(channel, (counts.get(channel) ?? 0) + 1)
    const told = new Set<Channel>()
    for (const stored of found) {
      const isFull = (counts.get(stored.channel) ?? 0) >= this.#owner.messagesPerChannel
      if (isFull && !told.has(stored.channel)) this.#channels.tellExpired(stored)
      told.add(stored.channel)
      this.#channels.readFromHistory(stored)
    }
  }

  /** All channels of a pattern at once: which of them there are, nobody knows beforehand. */
  async #repairPattern(pattern: Interest): Promise<number | undefined> {
    let from = Math.max(pattern.base, this.verified) + 1
    for (;;) {
      const read = await new Promise<readonly [Repair, RecoveryOutcome]>((resolve) => {
        const floor = this.verified
        const start = { offset: from - 1 }
        this.#owner.request(new Repair(pattern.name, start, floor, (...both) => resolve(both)))
      })
      const [{ found }, outcome] = read
      if (!outcome.ok || this.#owner.learn(outcome.state) !== 'same') return undefined
      if (outcome.state.first > from && from > 1) {
        const before = found[0]?.offset ?? outcome.asOf + 1
        this.#channels.tellInterest(pattern, { reason: 'expired', after: from - 1, before })
      }
      this.#deliverOfPattern(found)
      const last = found.at(-1)
      if (outcome.isWhole || last === undefined) return outcome.asOf
      from = last.offset + 1
    }
  }
}
