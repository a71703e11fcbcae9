/** One channel of a durable namespace on this node: its chain, and who hears of it. */
import type { Channel } from '../shared/channel.js'
import { Chain } from './chain.js'
import type { Interest } from './interest.js'
import type { Publication } from './publication.js'
import type { ChannelRepair } from './repair.js'

export class DurableChannel {
  readonly name: Channel
  readonly chain: Chain = new Chain()
  /** Undefined: it is here for a pattern's sake only. */
  interest: Interest | undefined = undefined
  /** Of the patterns that cover it. */
  patterns: readonly Interest[]
  /** What came while something before it is missing, or before the chain has begun. */
  held: Publication[] | undefined = undefined
  heldBytes = 0
  /** Something that came could not even be held: the repair has to look again. */
  hasSpilled = false
  repair: ChannelRepair | undefined = undefined

  constructor(name: Channel, patterns: readonly Interest[]) {
    this.name = name
    this.patterns = patterns
  }

  hold(publication: Publication): void {
    this.held ??= []
    if (this.heldBytes + publication.payload.length > heldBytesMax) {
      this.hasSpilled = true
      return
    }
    this.held.push(publication)
    this.heldBytes += publication.payload.length + heldOverheadBytes
  }

  /** The history must reach this far, if what is held is of it. */
  get heldUpTo(): number {
    return this.held?.at(-1)?.offset ?? 0
  }

  takeHeld(): readonly Publication[] {
    const held = this.held ?? []
    this.held = undefined
    this.heldBytes = 0
    return held
  }
}

const heldBytesMax = 262_144
const heldOverheadBytes = 200
