/** How an event stream or a poll begins: subscribed, begun in all of its channels, then resumed. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { Gap } from '../hub/gap.js'
import type { Publication } from '../hub/publication.js'
import type { Subscriber } from '../hub/subscriber.js'
import type { Begun, BeginFailure, Subscription } from '../hub/subscription.js'
import { shownFor, type EventsRequest } from './events-request.js'
import { countFault } from './fault.js'
import { brokerAway, busy, noRoom, type Node } from './node.js'
import type { Problem } from './problem.js'
import { resume, startOf, withDurable, type Resumption } from './resume.js'

/** An event stream or a poll. It says nothing before `begin` or `fail`. */
export interface Reader extends Subscriber {
  readonly isOpen: boolean
  /** Open, and not begun: the broker has not confirmed yet, or a history not answered. */
  readonly isWaiting: boolean
  /** It gives them back when it closes. */
  subscribed(subscriptions: readonly Subscription[]): void
  begin(resumption: Resumption): void
  /** Says why, and closes. */
  fail(problem: Problem): void
  /** Closes without a word, and releases everything: after a fault nobody knows what was said. */
  abort(): void
  leave(): void
}

/** What came of an ephemeral channel before the reader began. */
export interface EarlyNews {
  readonly subscription: Subscription
  readonly news: Publication | Gap
}

const lookAgainMs = 1000

export function openReader(node: Node, reader: Reader, request: EventsRequest): void {
  try {
    const subscriptions = subscribeAll(node, request.names, reader)
    if (subscriptions === undefined) return reader.fail(noRoom(node))
    reader.subscribed(subscriptions)
    const resumption = resume(node, subscriptions, request)
    const begun = beginAll(node, subscriptions, request)
    if (!(begun instanceof Promise)) return begin(node, reader, subscriptions, resumption, begun)
    waitInWheel(node, reader)
    beginLater(node, reader, subscriptions, resumption, begun).catch((error: unknown) =>
      abort(node, reader, error),
    )
  } catch (error) {
    abort(node, reader, error)
  }
}

/** A function of its own: what a closure in `openReader` refers to would live as long as it. */
async function beginLater(
  node: Node,
  reader: Reader,
  subscriptions: readonly Subscription[],
  resumption: Resumption,
  begun: Promise<readonly Begun[]>,
): Promise<void> {
  const all = await begun
  if (reader.isOpen) begin(node, reader, subscriptions, resumption, all)
}

/** All of its channels, or none: one that cannot begin refuses the whole request. */
function begin(
  node: Node,
  reader: Reader,
  subscriptions: readonly Subscription[],
  resumption: Resumption,
  begun: readonly Begun[],
): void {
  let isDurable = false
  for (const each of begun) {
    if (!each.ok) return reader.fail(problemOf(node, each))
    isDurable ||= each.isDurable
  }
  reader.begin(isDurable ? withDurable(resumption, subscriptions, begun) : resumption)
}

function problemOf(node: Node, { code }: BeginFailure): Problem {
  if (code !== 'overloaded') return brokerAway(node)
  return busy(node, code, 'This node is recovering as much as it may.')
}

function abort(node: Node, reader: Reader, error: unknown): void {
  countFault(node, error)
  reader.abort()
}

/** Subscribes to all, or to none: undefined if the node holds as many channels as it may. */
function subscribeAll(
  node: Node,
  names: readonly (Channel | Pattern)[],
  subscriber: Subscriber,
): readonly Subscription[] | undefined {
  const subscriptions: Subscription[] = []
  try {
    for (const name of names) {
      const subscription = node.hub.subscribe(name, subscriber)
      if (subscription === undefined) {
        unsubscribeAll(node, subscriptions)
        return undefined
      }
      subscriptions.push(subscription)
      node.hub.keepRecent(subscription)
    }
  } catch (error) {
    unsubscribeAll(node, subscriptions)
    throw error
  }
  return subscriptions
}

export function unsubscribeAll(node: Node, subscriptions: readonly Subscription[]): void {
  for (const subscription of subscriptions) node.hub.unsubscribe(subscription)
}

/** A promise only where one of them has to ask the broker or a history. */
function beginAll(
  node: Node,
  subscriptions: readonly Subscription[],
  request: EventsRequest,
): readonly Begun[] | Promise<readonly Begun[]> {
  const begun = subscriptions.map((each) => {
    const shown = shownFor(request, each.interest.name)
    return node.hub.begin(each, startOf(each, shown, request.last))
  })
  return begun.every(isSettled) ? begun : Promise.all(begun)
}

function isSettled(begun: Begun | Promise<Begun>): begun is Begun {
  return !(begun instanceof Promise)
}

/** It enters the wheel itself only when it begins; a node that leaves looks nowhere else. */
function waitInWheel(node: Node, reader: Reader): void {
  const waiting = {
    due: (now: number) => (reader.isWaiting ? now + lookAgainMs : undefined),
    leave: () => {
      if (reader.isWaiting) reader.leave()
    },
  }
  node.wheel.add(waiting, node.clock.now() + lookAgainMs)
}
