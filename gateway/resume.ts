/** Where a reader goes on: what it missed, after a gap where some cannot be had. */
import { isChannel, namespaceOf } from '../shared/channel.js'
import { channelHash, type EphemeralPosition } from '../shared/cursor.js'
import { isCursor, positionShown, type ShownPosition } from '../shared/shown-position.js'
import type { Publication } from '../hub/publication.js'
import type { Recent } from '../hub/ring.js'
import type { Begun, Start, Subscription } from '../hub/subscription.js'
import { shownFor, type EventsRequest } from './events-request.js'
import type { Node } from './node.js'
import { toldGap, type ToldGap } from './told-gap.js'

/** Of ephemeral channels what was missed; of durable ones how they begin: theirs follows. */
export interface Resumption {
  /** In the order of their arrival at this node. */
  readonly publications: readonly Publication[]
  readonly gaps: readonly ToldGap[]
  /** For each channel of which a place was shown: whether nothing is missing. */
  readonly recovered: Record<string, boolean>
  /** The arrival after which the reader goes on: just before the first of `publications`. */
  readonly position: number
  /** Whether something of a durable channel is missing: a gap comes when it is released. */
  readonly isLossy: boolean
  /** Durable channels that have ended, by what was shown: everything of them was got. */
  readonly ended: readonly string[]
}

const ofOtherNode: Recent = { publications: [], gap: 'other_node' }
const now: Start = {}
const none: readonly string[] = []

/** Call it in the turn in which they were subscribed: nothing can arrive between the two. */
export function resume(
  node: Node,
  subscriptions: readonly Subscription[],
  request: EventsRequest,
): Resumption {
  const publications: Publication[] = []
  const gaps: ToldGap[] = []
  // No prototype: `__proto__` is a channel like any other.
  const recovered = Object.create(null) as Record<string, boolean>
  for (const subscription of subscriptions) {
    const { name, namespace } = subscription.interest
    if (namespace !== undefined) continue
    const shown = ephemeralIn(shownFor(request, name), name)
    // A channel that is new in this request begins now, as it would without a cursor.
    if (shown === undefined) continue
    const isOurs = shown.node === node.id
    const recent = isOurs ? node.hub.recent(subscription, shown.arrival) : ofOtherNode
    recovered[name] = recent.gap === undefined
    publications.push(...recent.publications)
    if (recent.gap !== undefined) {
      node.counters.gap(recent.gap)
      gaps.push(toldGap(subscription, { reason: recent.gap }))
    }
  }
  publications.sort((a, b) => a.arrival - b.arrival)
  const [first] = publications
  const position = first === undefined ? node.hub.arrival : first.arrival - 1
  return { publications, gaps, recovered, position, isLossy: false, ended: none }
}

/** A position object says nothing of an ephemeral channel. */
function ephemeralIn(shown: readonly ShownPosition[], name: string): EphemeralPosition | undefined {
  const hash = channelHash(name)
  for (const each of shown) {
    const ephemeral = isCursor(each) ? each.ephemeral : undefined
    if (ephemeral?.channels.includes(hash) === true) return ephemeral
  }
  return undefined
}

/** Where a subscription begins, by the first of `shown` that covers it; if ephemeral, anywhere. */
export function startOf(
  { interest }: Subscription,
  shown: readonly ShownPosition[],
  last: number | undefined,
): Start {
  const { name, namespace } = interest
  if (namespace === undefined) return now
  for (const each of shown) {
    const position = positionShown(each, name, namespace.epoch)
    if (position !== undefined) return { position }
  }
  return last === undefined ? now : { last }
}

/** The same with what was found of its durable channels, one of `begun` for each subscription. */
export function withDurable(
  resumption: Resumption,
  subscriptions: readonly Subscription[],
  begun: readonly Begun[],
): Resumption {
  let { isLossy } = resumption
  const { recovered } = resumption
  const ended: string[] = []
  for (const [at, each] of begun.entries()) {
    if (!each.ok || !each.isDurable || each.recovered === undefined) continue
    const { name } = (subscriptions[at] as Subscription).interest
    // Until its gap has been told, the rest may come with the next poll.
    recovered[name] = true
    isLossy ||= !each.recovered
    if (each.recovered && each.isEnded) ended.push(name)
  }
  return { ...resumption, isLossy, ended }
}

/** Whether the answer may be that there is nothing to come: known only when all have begun. */
export function mayHaveEnded({ hub }: Node, request: EventsRequest): boolean {
  if (request.cursor?.durable === undefined && request.positions === undefined) return false
  return request.names.every(
    (name) =>
      isChannel(name) &&
      hub.durable.get(namespaceOf(name)) !== undefined &&
      shownFor(request, name).some((each) => positionShown(each, name) !== undefined),
  )
}
