/** Answers who wants a stretch of one namespace's history, at the least cost to the store. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { Clock } from './clock.js'
import type { HistoryPage } from './history-pages.js'
import { HistoryPages } from './history-pages.js'
import type { History, HistoryState, ReadPage, ScanEnd, Screened } from './history.js'
import type { RecoveryCounters } from './recovery-counters.js'
import { RecoveryEnds } from './recovery-ends.js'
import type { RecoveryLimits } from './recovery-limits.js'
import { recoveryLimits } from './recovery-limits.js'
import type { Waiters } from './recovery-pace.js'
import { RecoveryPace } from './recovery-pace.js'
import type { Extent, RecoveryCosts } from './recovery-plan.js'
import {
  planRecovery,
  readCostUs,
  recoveryCosts,
  scanCostUs,
  shouldScreen,
} from './recovery-plan.js'
import { RecoveryReads } from './recovery-reads.js'
import type { RecoveryOutcome, RecoveryRequest } from './recovery-request.js'
import { RecoveryRetries } from './recovery-retries.js'
import { RecoveryRounds } from './recovery-rounds.js'
import type { RecoveryScan } from './recovery-scan.js'
import type { LongScan } from './recovery-scans.js'
import { RecoveryScans } from './recovery-scans.js'
import { RecoveryTarget } from './recovery-target.js'
import { Recovery } from './recovery.js'

export interface RecoveryPlannerOptions {
  readonly history: History
  readonly namespace: string
  /** Asks the leader; by default the history. */
  readonly state?: () => Promise<HistoryState | undefined>
  readonly storage: 'file' | 'memory'
  readonly clock: Clock
  readonly limits?: RecoveryLimits
  /** By default those of the storage. */
  readonly costs?: RecoveryCosts
  /** A scan took more than a second; told when it is over. */
  readonly onLongScan: (scan: LongScan) => void
  /** A taker threw. */
  readonly onError: (reason: string) => void
}

const unavailable: RecoveryOutcome = { ok: false, code: 'broker_unavailable' }
const overloaded: RecoveryOutcome = { ok: false, code: 'overloaded' }

export class RecoveryPlanner {
  readonly #history: History
  readonly #namespace: string
  readonly #clock: Clock
  readonly #limits: RecoveryLimits
  readonly #costs: RecoveryCosts
  readonly #onError: (reason: string) => void
  readonly #recoveries = new Map<RecoveryRequest, Recovery>()
  /** By name: who has missed something, and is neither being read nor in the scan. */
  readonly #pool = new Map<string, RecoveryTarget>()
  readonly #rounds: RecoveryRounds
  readonly #reads: RecoveryReads<RecoveryTarget | HistoryPage>
  readonly #pages: HistoryPages
  readonly #scans: RecoveryScans
  readonly #pace: RecoveryPace
  readonly #ends: RecoveryEnds
  readonly #retries: RecoveryRetries
  readonly #counted = {
    requests: 0,
    screened: 0,
    singleReads: 0,
    joined: 0,
    unavailable: 0,
    overloaded: 0,
  }
  #lastArrivedAt = 0
  /** As far as answers have told. Nothing but costs is estimated by it. */
  #extent: Extent = { first: 1, last: 0 }
  #isClosed = false

  constructor(options: RecoveryPlannerOptions) {
    const { history, namespace, storage, clock, limits = recoveryLimits } = options
    this.#history = history
    this.#namespace = namespace
    this.#clock = clock
    this.#limits = limits
    this.#costs = options.costs ?? recoveryCosts[storage]
    this.#onError = options.onError
    const { windowMs, parallelScreensMax } = limits
    this.#rounds = new RecoveryRounds(
      { history, namespace, clock, windowMs, parallelScreensMax },
      {
        shouldScreen: (count, lowest) => shouldScreen(count, lowest, this.#extent, this.#costs),
        screened: (targets, answer) => this.#screened(targets, answer),
        unscreened: (targets) => targets.forEach((target) => this.#demand(target)),
        learned: (state) => (this.#extent = state),
        ended: () => this.#plan(),
      },
    )
    this.#pages = new HistoryPages(history, namespace, limits)
    this.#reads = new RecoveryReads(limits.parallelReadsMax, (reader) =>
      reader instanceof RecoveryTarget ? this.#readTarget(reader) : this.#pages.run(reader),
    )
    this.#scans = new RecoveryScans(
      { ...options, scanMsMax: limits.scanMsMax },
      {
        hand: (target, publication) =>
          target.hand(publication, (recovery) => this.#settle(recovery), this.#onError),
        ended: (scan, end) => this.#scanEnded(scan, end),
      },
    )
    this.#pace = new RecoveryPace(clock, this.#costs, () => this.#plan())
    const { state = () => history.state(namespace) } = options
    this.#ends = new RecoveryEnds(state, clock, limits, (recovery, answer) =>
      this.#end(recovery, answer),
    )
    this.#retries = new RecoveryRetries(clock, limits, (recovery) => this.#arrive(recovery))
  }

  get counters(): RecoveryCounters {
    const { count: scans, publications: scannedPublications } = this.#scans
    const { count: retries } = this.#retries
    const { count: rounds } = this.#rounds
    return { ...this.#counted, scans, scannedPublications, retries, rounds }
  }

  /** Requests that are not done. */
  get waiting(): number {
    return this.#recoveries.size
  }

  /** Nobody is called back before this returns. */
  request(request: RecoveryRequest): void {
    this.#counted.requests += 1
    const recovery = new Recovery(request)
    const isFull = this.#recoveries.size >= this.#limits.requestsMax
    this.#recoveries.set(request, recovery)
    if (this.#isClosed || isFull) {
      return queueMicrotask(() => this.#finish(recovery, isFull ? overloaded : unavailable))
    }
    this.#lastArrivedAt = this.#clock.now()
    this.#arrive(recovery)
  }

  /** Its subscriber has left: neither `take` nor `done` is called again. */
  cancel(request: RecoveryRequest): void {
    const recovery = this.#recoveries.get(request)
    if (recovery === undefined) return
    recovery.isOver = true
    this.#recoveries.delete(request)
    this.#detach(recovery)
  }

  /** A page of history, in its turn among those that are read for requests. */
  read(
    name: Channel | Pattern,
    from: number,
    countMax: number,
    bytesMax: number,
  ): Promise<ReadPage | undefined | 'overloaded'> {
    if (this.#isClosed) return Promise.resolve(undefined)
    if (this.#pages.isFull) {
      this.#counted.overloaded += 1
      return Promise.resolve('overloaded')
    }
    return new Promise((resolve) =>
      this.#reads.add(this.#pages.add({ name, from, countMax, bytesMax, resolve })),
    )
  }

  /** Who waits is told that nothing can be had. */
  close(): void {
    this.#isClosed = true
    this.#retries.close()
    for (const recovery of [...this.#recoveries.values()]) {
      this.#detach(recovery)
      this.#finish(recovery, unavailable)
    }
    this.#pace.close()
    this.#scans.close()
    this.#pages.close()
  }

  #arrive(recovery: Recovery): void {
    if (recovery.isOver || this.#joinsShortScan(recovery)) return
    this.#rounds.add(recovery)
  }

  /**
   * Who wants what a scan is about to pass need not be screened. But what a long one would reveal
   * in a minute, a screen tells at once: that nothing was missed.
   */
  #joinsShortScan(recovery: Recovery): boolean {
    const scan = this.#scans.current
    if (!scan?.isAhead(recovery.next)) return false
    const leftUs = scanCostUs(scan.position + 1, this.#extent, this.#costs)
    if (leftUs > this.#costs.scanJoinMsMax * 1_000) return false
    const target = new RecoveryTarget(recovery.request.name, this.#clock.now())
    target.add(recovery)
    this.#join(scan, target)
    return true
  }

  #screened(targets: readonly RecoveryTarget[], answer: Screened | undefined): void {
    if (answer === undefined) {
      for (const target of targets) this.#fail(target)
      return
    }
    this.#counted.screened += targets.length
    this.#sawHead(answer.asOf)
    for (const target of targets) {
      const newest = answer.newest.get(target.name as Channel)
      for (const recovery of target.recoveries()) {
        if (recovery.isOver) continue // by another one's taker
        recovery.screened(newest, answer.asOf)
        if (newest !== undefined && newest.offset > recovery.next) continue
        const wantsMore = newest === undefined || recovery.hand(newest, this.#onError)
        this.#settle(recovery, wantsMore ? answer.asOf : undefined)
      }
      this.#demand(target)
    }
  }

  #sawHead(last: number): void {
    this.#extent = { first: this.#extent.first, last }
  }

  #demand(target: RecoveryTarget): void {
    this.#keep(target)
    if (target.wanted > 0) this.#pace.demand(readCostUs(target, this.#extent, this.#costs))
  }

  /** Until it is planned how it is read. */
  #keep(target: RecoveryTarget): void {
    if (target.wanted === 0) return
    target.recount()
    const there = this.#pool.get(target.name)
    if (there === undefined) this.#pool.set(target.name, target)
    else there.absorb(target)
  }

  /** Decides for all who are not yet served: those who have come since may change the choice. */
  #plan(): void {
    const scan = this.#scans.current
    if (scan !== undefined) {
      for (const target of this.#pool.values()) {
        if (scan.isAhead(target.next)) this.#join(scan, target)
      }
    }
    if (this.#pool.size === 0 || this.#isClosed) return
    const targets = [...this.#pool.values()]
    const waiters = this.#waiters(targets)
    const isHeavy = this.#pace.isHeavy(waiters.scanUs)
    if (isHeavy && !this.#pace.mayRelease(waiters)) return
    const plan = planRecovery(targets, this.#extent, this.#costs)
    for (const target of plan.singly) this.#reads.add(target)
    for (const target of plan.scanned) this.#reads.delete(target)
    const [farthest] = plan.scanned
    if (farthest === undefined) return isHeavy ? this.#pace.released() : undefined
    if (scan !== undefined) return
    if (!isHeavy && !this.#pace.mayRelease({ ...waiters, scanUs: plan.scanUs })) return
    this.#pace.released()
    for (const target of plan.scanned) this.#pool.delete(target.name)
    this.#scans.begin(farthest.next, plan.scanned)
  }

  #waiters(targets: readonly RecoveryTarget[]): Waiters {
    let lowest = Infinity
    let waitingSince = Infinity
    for (const target of targets) {
      lowest = Math.min(lowest, target.next)
      if (!this.#reads.has(target)) waitingSince = Math.min(waitingSince, target.waitingSince)
    }
    const scanUs = scanCostUs(lowest, this.#extent, this.#costs)
    return { scanUs, waitingSince, lastArrivedAt: this.#lastArrivedAt }
  }

  #join(scan: RecoveryScan, target: RecoveryTarget): void {
    this.#unplan(target)
    this.#counted.joined += target.wanted
    scan.join(target)
  }

  async #readTarget(target: RecoveryTarget): Promise<void> {
    this.#unplan(target)
    this.#counted.singleReads += 1
    const { pageCountMax: count, pageBytesMax: bytes } = this.#limits
    const { name, next } = target
    const page = await this.#history.read(this.#namespace, name, next, count, bytes)
    if (page === undefined) return this.#fail(target)
    for (const publication of page.publications) {
      target.hand(publication, (recovery) => this.#settle(recovery), this.#onError)
    }
    if (page.isWhole) return this.#settleAll(target, page.asOf)
    if (page.publications.length === 0) return this.#fail(target)
    for (const recovery of target.recoveries()) {
      recovery.failures = 0
      recovery.sawHead(page.asOf)
    }
    this.#keep(target)
    if (this.#pool.get(target.name) === target) this.#reads.add(target)
  }

  #scanEnded(scan: RecoveryScan, end: ScanEnd | undefined): void {
    this.#pace.scanEnded()
    for (const target of scan.targets()) {
      if (end !== undefined) this.#settleAll(target, end.asOf)
      else if (scan.isTooLong) this.#finishAll(target, overloaded)
      else this.#goOn(scan, target)
    }
    if (end !== undefined) this.#sawHead(end.asOf)
    this.#plan()
  }

  /** A scan broke: what it gave is good, what is left is planned again. */
  #goOn(scan: RecoveryScan, target: RecoveryTarget): void {
    if (scan.publications === 0) return this.#fail(target)
    for (const recovery of target.recoveries()) {
      recovery.advance(scan.position)
      recovery.failures = 0
      this.#retries.count += 1
      this.#detach(recovery)
      this.#arrive(recovery)
    }
  }

  #fail(target: RecoveryTarget): void {
    for (const recovery of target.recoveries()) {
      this.#detach(recovery)
      if (!this.#retries.afterFailure(recovery)) this.#finish(recovery, unavailable)
    }
  }

  #settleAll(target: RecoveryTarget, asOf: number): void {
    for (const recovery of target.recoveries()) this.#settle(recovery, asOf)
  }

  /** Everything up to `asOf` has been handed over; undefined: no more is wanted. */
  #settle(recovery: Recovery, asOf?: number): void {
    this.#detach(recovery)
    if (recovery.isOver) return
    if (asOf !== undefined) recovery.advance(asOf)
    recovery.askFloor()
    if (!recovery.isLagging || !this.#retries.afterLag(recovery)) this.#ends.add(recovery)
  }

  #end(recovery: Recovery, state: HistoryState | undefined): void {
    if (recovery.isOver) return
    if (state === undefined) return this.#finish(recovery, unavailable)
    this.#extent = state
    if (state.last < recovery.floor) {
      return this.#finish(recovery, { ok: false, code: 'rewound', state })
    }
    if (recovery.isLagging) {
      if (!this.#retries.afterLeader(recovery)) this.#finish(recovery, unavailable)
      return
    }
    const { asOf, isWhole, newest, isScreened } = recovery
    this.#finish(recovery, { ok: true, asOf, isWhole, newest, isScreened, state })
  }

  #finishAll(target: RecoveryTarget, outcome: RecoveryOutcome): void {
    for (const recovery of target.recoveries()) {
      this.#detach(recovery)
      this.#finish(recovery, outcome)
    }
  }

  #finish(recovery: Recovery, outcome: RecoveryOutcome): void {
    if (recovery.isOver) return
    if (!outcome.ok && outcome.code === 'broker_unavailable') this.#counted.unavailable += 1
    if (!outcome.ok && outcome.code === 'overloaded') this.#counted.overloaded += 1
    this.#recoveries.delete(recovery.request)
    recovery.finish(outcome, this.#onError)
  }

  /** Takes it out of where it is read; the last to leave ends the reading. */
  #detach(recovery: Recovery): void {
    const { target } = recovery
    if (target === undefined) return
    target.delete(recovery)
    if (target.wanted > 0) return
    this.#unplan(target)
    this.#scans.current?.leave(target)
  }

  #unplan(target: RecoveryTarget): void {
    this.#reads.delete(target)
    if (this.#pool.get(target.name) === target) this.#pool.delete(target.name)
  }
}
