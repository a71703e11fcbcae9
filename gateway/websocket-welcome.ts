/** How a WebSocket begins: the channels that its token claims, then the welcome (PROTOCOL 4.7). */
import type { Begun, Subscription } from '../hub/subscription.js'
import type { Position } from '../shared/position.js'
import { subscribeAccess } from './access.js'
import { brokerRefused, type FrameRefusal } from './frame-refusal.js'
import type { WebSocketConnection } from './websocket-connection.js'

/** What became of the claim `channels`. */
export interface Claimed {
  readonly subscriptions: readonly Subscription[]
  /** Of the durable ones that begin now. */
  readonly positions: readonly (readonly [name: string, position: Position])[]
  readonly refused: readonly RefusedName[]
}

type RefusedName = readonly [name: string, refusal: FrameRefusal]

/** What is published after the welcome must arrive: so it waits until all of them have begun. */
export function welcome(connection: WebSocketConnection): void {
  const { hub, settings } = connection.node
  const refused: RefusedName[] = []
  const claimed: Subscription[] = []
  for (const name of connection.identity.permissions.channels) {
    const access = subscribeAccess(name, connection.identity, settings.namespaces)
    const outcome = access.ok ? connection.subscribe(access.name) : access
    if ('code' in outcome) refused.push([name, outcome])
    else claimed.push(outcome)
  }
  const begun = claimed.map((subscription) => hub.begin(subscription, {}))
  const known = begun.filter((one) => !(one instanceof Promise) && one.ok)
  if (known.length === begun.length) connection.welcome(settled(claimed, known as Begun[], refused))
  else void welcomeLater(connection, claimed, begun, refused)
}

/**
 * If the broker is away, or a history cannot be read, the subscription stands, and hears of a gap
 * when that is back (PROTOCOL 4.22, 10.6). What the broker refuses is refused.
 */
async function welcomeLater(
  connection: WebSocketConnection,
  claimed: readonly Subscription[],
  begun: readonly (Begun | Promise<Begun>)[],
  refused: RefusedName[],
): Promise<void> {
  const { hub } = connection.node
  const known = await Promise.all(begun)
  for (const [at, subscription] of claimed.entries()) {
    if (known[at]?.ok === true || subscription.isOver) continue
    const isTaken = subscription.interest.namespace !== undefined && hub.confirmed(subscription)
    if ((await isTaken) || !hub.isConnected || subscription.isOver) continue
    connection.unsubscribe(subscription)
    refused.push([subscription.interest.name, brokerRefused])
  }
  if (connection.isOpen) connection.welcome(settled(claimed, known, refused))
}

/** Less what has been unsubscribed by a client that did not wait for the welcome. */
function settled(
  claimed: readonly Subscription[],
  begun: readonly Begun[],
  refused: readonly RefusedName[],
): Claimed {
  return {
    subscriptions: claimed.filter(({ isOver }) => !isOver),
    positions: claimed.flatMap(({ interest, isOver }, at) => {
      const one = begun[at]
      if (isOver || one?.ok !== true || !one.isDurable) return []
      return [[interest.name, one.position] as const]
    }),
    refused,
  }
}
