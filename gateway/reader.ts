/** How an event stream or a poll begins: subscribed, confirmed by the broker, then resumed. */
import type { Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { Subscriber } from '../hub/subscriber.js'
import type { Subscription } from '../hub/subscription.js'
import type { EventsRequest } from './events-request.js'
import { countFault } from './fault.js'
import { brokerAway, noRoom, type Node } from './node.js'
import type { Problem } from './problem.js'
import { resume, type Resumption } from './resume.js'

/** An event stream or a poll. It says nothing before `begin` or `fail`. */
export interface Reader extends Subscriber {
  readonly isOpen: boolean
  /** Open, and not begun: the broker has not confirmed yet. */
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

const lookAgainMs = 1000

export function openReader(node: Node, reader: Reader, { names, cursor }: EventsRequest): void {
  try {
    const subscriptions = subscribeAll(node, names, reader)
    if (subscriptions === undefined) return reader.fail(noRoom(node))
    reader.subscribed(subscriptions)
    const resumption = resume(node, subscriptions, cursor)
    const confirmed = confirmAll(node, subscriptions)
    if (confirmed === true) return reader.begin(resumption)
    waitInWheel(node, reader)
    beginLater(node, reader, resumption, confirmed).catch((error: unknown) =>
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
  resumption: Resumption,
  confirmed: Promise<boolean>,
): Promise<void> {
  const isConfirmed = await confirmed
  if (!reader.isOpen) return
  if (isConfirmed) reader.begin(resumption)
  else reader.fail(brokerAway(node))
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

/** True when all receive what is published from now on; else a promise of whether they do. */
function confirmAll(node: Node, subscriptions: readonly Subscription[]): true | Promise<boolean> {
  const waits = subscriptions
    .map((subscription) => node.hub.confirmed(subscription))
    .filter((confirmed) => confirmed !== true)
  if (waits.length === 0) return true
  return Promise.all(waits).then((all) => all.every((isConfirmed) => isConfirmed))
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
