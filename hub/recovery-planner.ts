/** Answers who wants a stretch of one namespace's history, at the least cost to the store. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { Clock } from './clock.js'
import { DelayQueue } from './delay-queue.js'
import type { History, HistoryState, ReadPage, ScanEnd, Screened } from './history.js'
import type { RecoveryCounters } from './recovery-counters.js'
import { RecoveryEnds } from './recovery-ends.js'
import type { RecoveryLimits } from './recovery-limits.js'
import { recoveryLimits } from './recovery-limits.js'
import type { RecoveryCosts } from './recovery-plan.js'
import { planRecovery, recoveryCosts, scanCostUs, shouldScreen } from './recovery-plan.js'
import { RecoveryReads } from './recovery-reads.js'
import type { RecoveryOutcome, RecoveryRequest } from './recovery-request.js'
import { RecoveryRounds } from './recovery-rounds.js'
import type { RecoveryScan } from './recovery-scan.js'
import type { LongScan } from './recovery-scans.js'
import { RecoveryScans } from './recovery-scans.js'
import { RecoveryTarget } from './recovery-target.js'
import { Recovery } from './recovery.js'

export interface RecoveryPlannerOptions {
  readonly history: History
  readonly namespace: string
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

/** A page of history that is read for its own sake. */
interface HistoryPage {
  readonly name: Channel | Pattern
  readonly from: number
  readonly countMax: number
  readonly bytesMax: number
  readonly resolve: (page: ReadPage | undefined) => void
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
  readonly #pages = new Set<HistoryPage>()
  readonly #scans: RecoveryScans
  readonly #ends: RecoveryEnds
  readonly #lagging: DelayQueue<Recovery>
  readonly #failed: DelayQueue<Recovery>
  readonly #counted = {
    requests: 0,
    screened: 0,
    singleReads: 0,
    joined: 0,
    retries: 0,
    unavailable: 0,
    overloaded: 0,
  }
  #lastArrivedAt = 0
  /** The last offset, as far as an answer has told. Nothing but costs is estimated by it. */
  #head = 0
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
        shouldScreen: (count, lowest) => shouldScreen(count, lowest, this.#head, this.#costs),
        screened: (targets, answer) => this.#screened(targets, answer),
        unscreened: (targets) => targets.forEach((target) => this.#keep(target)),
        head: (last) => (this.#head = last),
        ended: () => this.#plan(),
      },
    )
    this.#reads = new RecoveryReads(limits.parallelReadsMax, (reader) =>
      reader instanceof RecoveryTarget ? this.#readTarget(reader) : this.#readPage(reader),
    )
    this.#scans = new RecoveryScans(
      { ...options, scanMsMax: limits.scanMsMax, costs: this.#costs },
      {
        hand: (target, publication) =>
          target.hand(publication, (recovery) => this.#settle(recovery), this.#onError),
        due: () => this.#plan(),
        ended: (scan, end) => this.#scanEnded(scan, end),
      },
    )
    this.#ends = new RecoveryEnds(history, namespace, clock, limits, (recovery, state) =>
      this.#end(recovery, state),
    )
    const again = (recoveries: readonly Recovery[]): void =>
      recoveries.forEach((recovery) => this.#arrive(recovery))
    this.#lagging = new DelayQueue(clock, limits.lagRetryMs, again)
    this.#failed = new DelayQueue(clock, limits.failureRetryMs, again)
  }

  get counters(): RecoveryCounters {
    const { count: scans, publications: scannedPublications } = this.#scans
    return { ...this.#counted, scans, scannedPublications, rounds: this.#rounds.count }
  }

  /** Requests that are not done. */
  get waiting(): number {
    return this.#recoveries.size
  }

  /** One that is refused is done before this returns. */
  request(request: RecoveryRequest): void {
    this.#counted.requests += 1
    const recovery = new Recovery(request)
    if (this.#isClosed) return this.#finish(recovery, unavailable)
    if (this.#recoveries.size >= this.#limits.requestsMax) {
      return this.#finish(recovery, overloaded)
    }
    this.#recoveries.set(request, recovery)
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
    if (this.#pages.size >= this.#limits.pagesWaitingMax) {
      this.#counted.overloaded += 1
      return Promise.resolve('overloaded')
    }
    const { pageCountMax, pageBytesMax } = this.#limits
    const count = Math.min(countMax, pageCountMax)
    const bytes = Math.min(bytesMax, pageBytesMax)
    return new Promise((resolve) => {
      const page = { name, from, countMax: count, bytesMax: bytes, resolve }
      this.#pages.add(page)
      this.#reads.add(page)
    })
  }

  /** Who waits is told that nothing can be had. */
  close(): void {
    this.#isClosed = true
    this.#lagging.close()
    this.#failed.close()
    for (const recovery of [...this.#recoveries.values()]) {
      this.#detach(recovery)
      this.#finish(recovery, unavailable)
    }
    this.#scans.close()
    for (const page of this.#pages) {
      this.#reads.delete(page)
      page.resolve(undefined)
    }
    this.#pages.clear()
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
    const leftMs = scanCostUs(scan.position + 1, this.#head, this.#costs) / 1_000
    if (leftMs > this.#costs.scanJoinMsMax) return false
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
    this.#head = answer.asOf
    for (const target of targets) {
      const newest = answer.newest.get(target.name as Channel)
      for (const recovery of target.recoveries()) {
        // Another one's taker may have cancelled it.
        if (recovery.isOver) continue
        recovery.screened(newest, answer.asOf)
        if (newest !== undefined && newest.offset > recovery.next) continue
        const wantsMore = newest === undefined || recovery.hand(newest, this.#onError)
        this.#settle(recovery, wantsMore ? answer.asOf : undefined)
      }
      this.#keep(target)
    }
  }

  /** Until it is planned how it is read. */
  #keep(target: RecoveryTarget): void {
    if (target.wanted === 0) return
    target.recount()
    const there = this.#pool.get(target.name)
    if (there === undefined) this.#pool.set(target.name, target)
    else there.absorb(target)
  }

  /** Decides for everybody who is not yet served: those who have come since may change the choice. */
  #plan(): void {
    if (this.#isClosed) return
    const scan = this.#scans.current
    if (scan !== undefined) {
      for (const target of this.#pool.values()) {
        if (scan.isAhead(target.next)) this.#join(scan, target)
      }
    }
    const targets = [...this.#pool.values()]
    const { scanFrom, scanUs } = planRecovery(targets, this.#head, this.#costs)
    const forScan = targets.filter(({ next }) => next >= scanFrom)
    for (const target of targets) {
      if (target.next < scanFrom) this.#reads.add(target)
      else this.#reads.delete(target)
    }
    if (forScan.length === 0 || scan !== undefined) return
    const since = forScan.map((target) => target.waitingSince)
    const waitingSince = since.reduce((first, at) => Math.min(first, at))
    const lastArrivedAt = this.#lastArrivedAt
    if (!this.#scans.isDue({ scanUs, waitingSince, lastArrivedAt })) return
    for (const target of forScan) this.#pool.delete(target.name)
    this.#scans.begin(scanFrom, forScan)
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

  async #readPage(page: HistoryPage): Promise<void> {
    const { name, from, countMax, bytesMax, resolve } = page
    resolve(await this.#history.read(this.#namespace, name, from, countMax, bytesMax))
    this.#pages.delete(page)
  }

  #scanEnded(scan: RecoveryScan, end: ScanEnd | undefined): void {
    for (const target of scan.targets()) {
      if (end !== undefined) this.#settleAll(target, end.asOf)
      else if (scan.isTooLong) this.#finishAll(target, overloaded)
      else this.#goOn(scan, target)
    }
    if (end !== undefined) this.#head = end.asOf
    this.#plan()
  }

  /** A scan broke: what it gave is good, what is left is planned again. */
  #goOn(scan: RecoveryScan, target: RecoveryTarget): void {
    if (scan.publications === 0) return this.#fail(target)
    for (const recovery of target.recoveries()) {
      recovery.advance(scan.position)
      recovery.failures = 0
      this.#counted.retries += 1
      this.#detach(recovery)
      this.#arrive(recovery)
    }
  }

  #fail(target: RecoveryTarget): void {
    for (const recovery of target.recoveries()) {
      this.#detach(recovery)
      recovery.failures += 1
      if (recovery.failures > this.#limits.failuresMax) this.#finish(recovery, unavailable)
      else this.#again(recovery, this.#failed)
    }
  }

  #again(recovery: Recovery, queue: DelayQueue<Recovery>): void {
    this.#counted.retries += 1
    queue.add(recovery)
  }

  #settleAll(target: RecoveryTarget, asOf: number): void {
    for (const recovery of target.recoveries()) this.#settle(recovery, asOf)
  }

  /** Everything up to `asOf` has been handed over; undefined: no more is wanted. */
  #settle(recovery: Recovery, asOf?: number): void {
    this.#detach(recovery)
    if (recovery.isOver) return
    if (asOf !== undefined) recovery.advance(asOf)
    if (!recovery.isLagging) return this.#ends.add(recovery)
    recovery.lagTries += 1
    if (recovery.lagTries === 1) recovery.lagSince = this.#clock.now()
    if (recovery.lagTries > this.#limits.lagTriesMax) return this.#ends.add(recovery)
    this.#again(recovery, this.#lagging)
  }

  #end(recovery: Recovery, state: HistoryState | undefined): void {
    if (recovery.isOver) return
    if (state === undefined) return this.#finish(recovery, unavailable)
    this.#head = state.last
    if (state.last < recovery.floor) {
      return this.#finish(recovery, { ok: false, code: 'rewound', state })
    }
    if (recovery.isLagging) {
      const isTooLong = this.#clock.now() - recovery.lagSince >= this.#limits.lagMsMax
      if (isTooLong) return this.#finish(recovery, unavailable)
      return this.#again(recovery, this.#lagging)
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
