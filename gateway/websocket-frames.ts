/** What each client frame does (PROTOCOL 4). Everything here answers; nothing here throws. */
import type { Begun, Subscription } from '../hub/subscription.js'
import type { ClientFrame, PublishFrame, SubscribeFrame } from '../shared/frames.js'
import { publishAccess, subscribeAccess } from './access.js'
import {
  brokerAway,
  endedMeanwhile,
  historyAway,
  tooManyReaders,
  type FrameRefusal,
} from './frame-refusal.js'
import { publishProblem } from './publish-endpoint.js'
import { startOf } from './resume.js'
import type { WebSocketConnection } from './websocket-connection.js'

export function handleFrame(connection: WebSocketConnection, bytes: Uint8Array): void {
  const decoded = connection.format.decode(bytes)
  if (!decoded.ok) return connection.fail(decoded.id, 'bad_request', decoded.message)
  const { frame } = decoded
  switch (frame.type) {
    case 'subscribe':
      return subscribe(connection, frame)
    case 'unsubscribe':
      return unsubscribe(connection, frame)
    case 'publish':
      return publish(connection, frame)
    case 'refresh':
      return refresh(connection, frame)
    case 'ping':
      return connection.send({ type: 'pong', ...(frame.id === undefined ? {} : { id: frame.id }) })
  }
}

type Frame<Type extends ClientFrame['type']> = Extract<ClientFrame, { readonly type: Type }>

function subscribe(connection: WebSocketConnection, frame: SubscribeFrame): void {
  const { id, channel, position, last } = frame
  const { hub, settings } = connection.node
  const access = subscribeAccess(channel, connection.identity, settings.namespaces)
  if (!access.ok) return refuse(connection, id, access)
  if (connection.find(channel) !== undefined) {
    return connection.fail(id, 'already_subscribed', `"${channel}" is subscribed already.`)
  }
  if (!hub.isConnected) return refuse(connection, id, brokerAway)
  const subscription = connection.subscribe(access.name)
  if ('code' in subscription) return refuse(connection, id, subscription)
  const shown = position === undefined ? [] : [position]
  const begun = hub.begin(subscription, startOf(subscription, shown, last))
  if (!(begun instanceof Promise)) return answerSubscribe(connection, id, subscription, begun)
  void begun.then((one) => answerSubscribe(connection, id, subscription, one))
}

/** Where it begins, and only then what comes of it (PROTOCOL 4.19). */
function answerSubscribe(
  connection: WebSocketConnection,
  id: number,
  subscription: Subscription,
  begun: Begun,
): void {
  if (!connection.isOpen) return
  // Unsubscribed or refused by a refresh while it was to begin: who asked must not wait.
  if (subscription.isOver) return refuse(connection, id, endedMeanwhile)
  const { hub } = connection.node
  if (!begun.ok) {
    connection.unsubscribe(subscription)
    if (begun.code === 'overloaded') return refuse(connection, id, tooManyReaders)
    return refuse(connection, id, hub.isConnected ? historyAway : brokerAway)
  }
  const subscribed = { type: 'subscribed', id, channel: subscription.interest.name } as const
  if (!begun.isDurable) return connection.send(subscribed)
  const { position, recovered } = begun
  connection.send({ ...subscribed, ...position, ...(recovered !== undefined && { recovered }) })
  hub.release(subscription)
}

function unsubscribe(connection: WebSocketConnection, { id, channel }: Frame<'unsubscribe'>): void {
  const subscription = connection.find(channel)
  if (subscription === undefined) {
    return connection.fail(id, 'not_subscribed', 'There is no such subscription.')
  }
  connection.unsubscribe(subscription)
  connection.send({ type: 'unsubscribed', id, channel })
}

function publish(connection: WebSocketConnection, frame: PublishFrame): void {
  const { id, contentType, idempotencyKey } = frame
  const { hub, settings, counters } = connection.node
  const access = publishAccess(frame.channel, connection.identity, settings.namespaces)
  if (!access.ok) return refuse(connection, id, access)
  if (frame.payload.length > settings.publicationBytesMax) {
    const detail = `A publication has at most ${settings.publicationBytesMax} bytes.`
    return connection.fail(id, 'too_large', detail)
  }
  const from = { sender: connection.identity.subject, contentType, idempotencyKey }
  void hub.publish(access.name, frame.payload, from).then((result) => {
    if (!connection.isOpen) return
    if (!result.ok) {
      const { code, detail } = publishProblem(connection.node, result.code)
      return connection.fail(id, code, detail)
    }
    counters.publicationsAccepted += 1
    const { offset } = result
    connection.send({ type: 'published', id, ...(offset !== undefined && { offset }) })
  })
}

function refresh(connection: WebSocketConnection, { id, token }: Frame<'refresh'>): void {
  if (!connection.takeRefresh()) {
    return connection.fail(id, 'rate_limited', 'A connection refreshes its token once a second.')
  }
  const { authenticator, settings } = connection.node
  const verdict = authenticator.authenticate(token)
  if (!verdict.ok) return refuse(connection, id, verdict)
  const { identity } = verdict
  if (identity.subject !== connection.identity.subject) {
    return connection.fail(id, 'token_invalid', 'The new token is for another subject.')
  }
  const permittedBefore = connection.identity.permissions
  connection.renew(identity)
  connection.send({ type: 'refreshed', id, expiresAt: identity.expiresAt })
  // Tokens with equal claims share their permissions: most refreshes change none.
  if (identity.permissions === permittedBefore) return
  for (const subscription of [...connection.subscriptions]) {
    const { name } = subscription.interest
    const access = subscribeAccess(name, identity, settings.namespaces)
    if (access.ok) continue
    connection.unsubscribe(subscription)
    connection.sendEnded(name, access)
  }
}

function refuse(
  connection: WebSocketConnection,
  id: number,
  { code, message }: FrameRefusal,
): void {
  connection.fail(id, code, message)
}
