/** The positions that a client keeps of what it has subscribed by frame (PROTOCOL 14.2). */
import { isChannel, namespaceOf } from '../shared/channel.js'
import type { Position } from '../shared/position.js'

/** What `heartbeat` tells, by namespace. */
export type VerifiedOffsets = Readonly<Record<string, Pick<Position, 'epoch' | 'offset'>>>

/** The bounds of a `gap`. */
export interface GapBounds {
  readonly before?: number
  readonly epoch?: string
  readonly offset?: number
}

interface Kept {
  /** Undefined: nothing has come, and live began nowhere yet. */
  own: Position | undefined
  /** Where live began; undefined once everything up to there has come. */
  live: Position | undefined
}

/**
 * Written anew from the protocol, on purpose: an auditor that shared the code of the gateway or of
 * the client would share its faults, and find none of them.
 */
export class KeptPositions {
  readonly #kept = new Map<string, Kept>()

  of(name: string): Position | undefined {
    return this.#kept.get(name)?.own
  }

  /** `isBehind`: it showed a position or asked for the newest, so history may come first. */
  subscribed(name: string, live: Position, isBehind: boolean): void {
    const own = isBehind ? this.of(name) : live
    const kept: Kept = { own, live: isBehind ? live : undefined }
    this.#kept.set(name, kept)
    reach(kept)
  }

  publication(name: string, offset: number, time: number): void {
    const kept = this.#kept.get(name)
    const epoch = kept?.own?.epoch ?? kept?.live?.epoch
    if (kept === undefined || epoch === undefined) return
    if (isChannel(name)) {
      const { verified } = kept.own ?? {}
      kept.own = { epoch, offset, time, ...(verified === undefined ? {} : { verified }) }
      reach(kept)
    } else if (kept.live !== undefined && offset > kept.live.offset) {
      // Not with the one at that offset: what is missing of a pattern is told behind its history.
      kept.own = kept.live
      kept.live = undefined
    }
  }

  heartbeat(verified: VerifiedOffsets): void {
    for (const [name, kept] of this.#kept) {
      const told = verified[namespaceOf(name)]
      const own = kept.own ?? kept.live
      if (told === undefined || own?.epoch !== told.epoch) continue
      // It is not told before a history is through: so everything up to there has come.
      kept.live = undefined
      const offset = isChannel(name) ? own.offset : Math.max(own.offset, told.offset)
      kept.own = { ...own, offset, verified: Math.max(own.verified ?? 0, told.offset) }
    }
  }

  gap(name: string, { before, epoch, offset }: GapBounds): void {
    const kept = this.#kept.get(name)
    if (kept === undefined) return
    if (epoch !== undefined && offset !== undefined) kept.own = { epoch, offset }
    const current = kept.own?.epoch ?? kept.live?.epoch
    if (before !== undefined && current !== undefined) {
      kept.own = { epoch: current, offset: before - 1 }
    }
    reach(kept)
  }
}

/** Once everything up to where live began has come, what was verified then counts. */
function reach(kept: Kept): void {
  const { own, live } = kept
  if (own === undefined || live === undefined) return
  // The one at the very offset is the last of the history. Those of two epochs do not compare.
  if (own.epoch !== live.epoch || own.offset < live.offset) return
  kept.own = { ...own, verified: Math.max(own.verified ?? 0, live.verified ?? 0) }
  kept.live = undefined
}
