/** Where a reader with a cursor goes on: what it missed, after a gap where some cannot be had. */
import { channelHash, type Cursor } from '../shared/cursor.js'
import type { GapReason } from '../shared/codes.js'
import type { Publication } from '../hub/publication.js'
import type { Recent } from '../hub/ring.js'
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

const ofOtherNode: Recent = { publications: [], gap: 'other_node' }

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
    const recent = isOurs ? node.hub.recent(subscription, shown.arrival) : ofOtherNode
    recovered[name] = recent.gap === undefined
    publications.push(...recent.publications)
    if (recent.gap !== undefined) {
      node.counters.gap(recent.gap)
      gaps.push({ channel: name, reason: recent.gap })
    }
  }
  publications.sort((a, b) => a.arrival - b.arrival)
  const [first] = publications
  const position = first === undefined ? node.hub.arrival : first.arrival - 1
  return { publications, gaps, recovered, position }
}
