/** One request on its way through the planner: how far it has got, and what went wrong with it. */
import type { StoredPublication } from './history.js'
import type { RecoveryOutcome, RecoveryRequest } from './recovery-request.js'
import type { RecoveryTarget } from './recovery-target.js'

export class Recovery {
  readonly request: RecoveryRequest
  /** Everything below has been handed over or was not there: nothing comes twice. */
  next: number
  /**
   * The history has been seen at least this long, by the asker or by an answer on the way: one
   * page from the leader and the next from a follower must not end early.
   */
  floor: number
  /** Everything up to here has been looked at. */
  asOf = 0
  isWhole = true
  newest: StoredPublication | undefined = undefined
  isScreened = false
  /** Answers in a row that came from a replica that lags, and since when. */
  lagTries = 0
  lagSince = 0
  /** No answer at all, so often in a row. */
  failures = 0
  /** Where it waits to be read; undefined before, between and after. */
  target: RecoveryTarget | undefined = undefined
  isOver = false

  constructor(request: RecoveryRequest) {
    this.request = request
    this.next = request.from
    this.floor = request.floor
  }

  get isLagging(): boolean {
    return this.isWhole && this.asOf < this.floor
  }

  /** What was looked at: everything up to `asOf`, of which nothing is left to hand over. */
  advance(asOf: number): void {
    this.sawHead(asOf)
    this.asOf = Math.max(this.asOf, asOf)
    this.next = Math.max(this.next, asOf + 1)
  }

  screened(newest: StoredPublication | undefined, asOf: number): void {
    this.isScreened = true
    if (newest !== undefined && newest.offset >= (this.newest?.offset ?? 0)) this.newest = newest
    this.sawHead(asOf)
  }

  /** The asker may know more by now. */
  askFloor(): void {
    this.floor = Math.max(this.floor, this.request.floor)
  }

  sawHead(asOf: number): void {
    this.floor = Math.max(this.floor, asOf)
  }

  /** Hands it over, unless it has been. False: no more is wanted. */
  hand(publication: StoredPublication, onError: (reason: string) => void): boolean {
    const { offset } = publication
    if (offset < this.next) return true
    this.next = offset + 1
    this.asOf = Math.max(this.asOf, offset)
    try {
      this.isWhole = this.request.take(publication)
    } catch (error) {
      this.isWhole = false
      onError(`a taker of history failed: ${String(error)}`)
    }
    return this.isWhole
  }

  finish(outcome: RecoveryOutcome, onError: (reason: string) => void): void {
    this.isOver = true
    try {
      this.request.done(outcome)
    } catch (error) {
      onError(`a taker of history failed when it was done: ${String(error)}`)
    }
  }
}
