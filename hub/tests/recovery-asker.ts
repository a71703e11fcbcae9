/** Asks a recovery planner, and writes down what it was given. */
import type { Channel } from '../../shared/channel.js'
import type { StoredPublication } from '../history.js'
import type { RecoveryOutcome, RecoveryRequest } from '../recovery-request.js'

export class Asker implements RecoveryRequest {
  readonly name: Channel
  readonly from: number
  floor: number
  readonly offsets: number[] = []
  /** All that was called, after it left too. */
  calls = 0
  outcome: RecoveryOutcome | undefined
  /** How many it takes before it wants no more. */
  takesMax: number = Infinity
  onTake: (publication: StoredPublication) => void = () => {}
  onDone: () => void = () => {}

  constructor(name: string, from: number, floor: number = 0) {
    this.name = name as Channel
    this.from = from
    this.floor = floor
  }

  take(publication: StoredPublication): boolean {
    this.calls += 1
    this.offsets.push(publication.offset)
    this.onTake(publication)
    return this.offsets.length < this.takesMax
  }

  done(outcome: RecoveryOutcome): void {
    this.calls += 1
    if (this.outcome !== undefined) throw new Error('done twice')
    this.outcome = outcome
    this.onDone()
  }

  /** What came of it, in a word. */
  get result(): string {
    if (this.outcome === undefined) return 'waiting'
    return this.outcome.ok ? (this.outcome.isWhole ? 'whole' : 'cut') : this.outcome.code
  }
}
