/** Where a reader with a cursor goes on: what it missed, or a gap that says it cannot be had. */
import { channelHash, type Cursor } from '../shared/cursor.js'
import type { GapReason } from '../shared/codes.js'
import type { Publication } from '../hub/publication.js'
import type { Subscription } from '../hub/subscription.js'
import type { Node } from './node.js'

export interface Gap {
  readonly channel: string
  readonly reason: GapReason
}

export interface Resumption {
  /** In the order of their arrival at this node. */
  readonly publications: readonly Publication[]
  readonly gaps: readonly Gap[]
  /** For each channel that the cursor covers: whether nothing is missing. */
  readonly recovered: Readonly<Record<string, boolean>>
  /** The arrival after which the reader goes on: just before the first of `publications`. */
  readonly position: number
}

/** Call it in the turn in which they were subscribed: nothing can arrive between the two. */
export function resume(
  node: Node,
  subscriptions: readonly Subscription[],
  cursor: Cursor | undefined,
): Resumption {
  const shown = cursor?.ephemeral
  const publications: Publication[] = []
  const gaps: Gap[] = []
  // No prototype: `__proto__` is a channel like any other.
  const recovered = Object.create(null) as Record<string, boolean>
  for (const subscription of subscriptions) {
    const { name } = subscription.interest
    // A channel that is new in this request begins now, as it would without a cursor.
    if (shown === undefined || !shown.channels.includes(channelHash(name))) continue
    const isOurs = shown.node === node.id
    const missed = isOurs ? node.hub.recent(subscription, shown.arrival) : undefined
    recovered[name] = missed !== undefined
    if (missed !== undefined) publications.push(...missed)
    else {
      const reason = isOurs ? 'cursor_expired' : 'other_node'
      node.counters.gap(reason)
      gaps.push({ channel: name, reason })
    }
  }
  publications.sort((a, b) => a.arrival - b.arrival)
  const [first] = publications
  const position = first === undefined ? node.hub.arrival : first.arrival - 1
  return { publications, gaps, recovered, position }
}
