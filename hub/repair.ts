/** Reads what may be missing of a channel or pattern on this node: after a gap, or to verify. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { Position } from '../shared/position.js'
import type { DurableChannel } from './durable-channel.js'
import type { StoredPublication } from './history.js'
import type { RecoveryOutcome, RecoveryRequest } from './recovery-request.js'

/** Of one round; a longer stretch takes several. */
const bytesMax = 1_048_576

/** As the position of one who has everything: with a `time` it has an anchor. */
export type RepairStart = Omit<Position, 'epoch'>

export class Repair implements RecoveryRequest {
  readonly name: Channel | Pattern
  readonly start: RepairStart
  readonly from: number
  readonly floor: number
  readonly found: StoredPublication[] = []
  /** When the publication at the start was stored; undefined: it is not there, or not asked for. */
  anchorTime: number | undefined = undefined
  readonly #done: (repair: Repair, outcome: RecoveryOutcome) => void
  #bytes = 0

  constructor(
    name: Channel | Pattern,
    start: RepairStart,
    floor: number,
    done: (repair: Repair, outcome: RecoveryOutcome) => void,
  ) {
    this.name = name
    this.start = start
    this.from = start.offset + (start.time === undefined ? 1 : 0)
    this.floor = floor
    this.#done = done
  }

  take(publication: StoredPublication): boolean {
    if (publication.offset === this.start.offset) {
      this.anchorTime = publication.time
      return true
    }
    this.found.push(publication)
    this.#bytes += publication.payload.length
    return this.#bytes < bytesMax
  }

  done(outcome: RecoveryOutcome): void {
    this.#done(this, outcome)
  }
}

/** A repair of one channel, and the promise that those who want it share. */
export class ChannelRepair {
  readonly channel: DurableChannel
  readonly request: Repair
  readonly ended: Promise<number | undefined>
  end: (asOf: number | undefined) => void = () => {}

  constructor(
    channel: DurableChannel,
    start: RepairStart,
    floor: number,
    done: (outcome: RecoveryOutcome) => void,
  ) {
    this.channel = channel
    this.ended = new Promise((resolve) => (this.end = resolve))
    this.request = new Repair(channel.name, start, floor, (_, outcome) => done(outcome))
  }
}
