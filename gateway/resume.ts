/** Where a reader with a cursor goes on: what it missed, or a gap that says it cannot be had. */
import { channelHash, type Cursor } from '../shared/cursor.js'
import type { GapReason } from '../shared/codes.js'
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { Publication } from '../hub/publication.js'
import type { Subscriber } from '../hub/subscriber.js'
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

/** Subscribes to all, or to none: undefined if the node holds as many channels as it may. */
export function subscribeAll(
  node: Node,
  names: readonly (Channel | Pattern)[],
  subscriber: Subscriber,
): readonly Subscription[] | undefined {
  const subscriptions: Subscription[] = []
  for (const name of names) {
    const subscription = node.hub.subscribe(name, subscriber)
    if (subscription === undefined) {
      unsubscribeAll(node, subscriptions)
      return undefined
    }
    subscriptions.push(subscription)
    node.hub.keepRecent(subscription)
  }
  return subscriptions
}

export function unsubscribeAll(node: Node, subscriptions: readonly Subscription[]): void {
  for (const subscription of subscriptions) node.hub.unsubscribe(subscription)
}

/** Call it in the same turn as `subscribeAll`: nothing can arrive between the two. */
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

/** A stream or poll that says nothing before the broker has confirmed its subscriptions. */
export interface Unconfirmed {
  readonly isWaiting: boolean
  leave(): void
}

const lookAgainMs = 1000

/** True when all receive what is published from now on; else false, or a promise of either. */
export function confirmAll(
  node: Node,
  subscriptions: readonly Subscription[],
  unconfirmed: Unconfirmed,
): true | Promise<boolean> {
  const waits = subscriptions
    .map((subscription) => node.hub.confirmed(subscription))
    .filter((confirmed) => confirmed !== true)
  if (waits.length === 0) return true
  // It enters the wheel itself only when it begins, and a node that leaves looks nowhere else.
  const waiting = {
    due: (now: number) => (unconfirmed.isWaiting ? now + lookAgainMs : undefined),
    leave: () => {
      if (unconfirmed.isWaiting) unconfirmed.leave()
    },
  }
  node.wheel.add(waiting, node.clock.now() + lookAgainMs)
  return Promise.all(waits).then((all) => all.every((isConfirmed) => isConfirmed))
}
