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
    if (own?.epoch === live.epoch && own.offset >= live.offset) reach(kept, own)
  }

  publication(name: string, offset: number, time: number): void {
    const kept = this.#kept.get(name)
    const epoch = kept?.own?.epoch ?? kept?.live?.epoch
    if (kept === undefined || epoch === undefined) return
    const isAtLive = kept.live !== undefined && offset >= kept.live.offset
    if (isChannel(name)) {
      const { verified } = kept.own ?? {}
      kept.own = { epoch, offset, time, ...(verified === undefined ? {} : { verified }) }
      if (isAtLive) reach(kept, kept.own)
    } else if (isAtLive) {
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
  }
}

/** Everything up to where live began has come: what was verified then counts. */
function reach(kept: Kept, own: Position): void {
  const verified = Math.max(own.verified ?? 0, kept.live?.verified ?? 0)
  kept.own = { ...own, verified }
  kept.live = undefined
}
