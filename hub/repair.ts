/** Reads what may be missing of a channel or pattern on this node: after a gap, or to verify. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { DurableChannel } from './durable-channel.js'
import type { StoredPublication } from './history.js'
import type { RecoveryOutcome, RecoveryRequest } from './recovery-request.js'

/** Of one round; a longer stretch takes several. */
const bytesMax = 1_048_576

export class Repair implements RecoveryRequest {
  readonly name: Channel | Pattern
  readonly from: number
  readonly floor: number
  readonly found: StoredPublication[] = []
  readonly #done: (repair: Repair, outcome: RecoveryOutcome) => void
  #bytes = 0

  constructor(
    name: Channel | Pattern,
    from: number,
    floor: number,
    done: (repair: Repair, outcome: RecoveryOutcome) => void,
  ) {
    this.name = name
    this.from = from
    this.floor = floor
    this.#done = done
  }

  take(publication: StoredPublication): boolean {
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
    from: number,
    floor: number,
    done: (outcome: RecoveryOutcome) => void,
  ) {
    this.channel = channel
    this.ended = new Promise((resolve) => (this.end = resolve))
    this.request = new Repair(channel.name, from, floor, (_, outcome) => done(outcome))
  }
}
