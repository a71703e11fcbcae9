/** What each client frame does (PROTOCOL 4). Everything here answers; nothing here throws. */
import type { ClientFrame, PublishFrame } from '../shared/frames.js'
import { publishAccess, subscribeAccess } from './access.js'
import { publishProblem } from './publish-endpoint.js'
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

function subscribe(connection: WebSocketConnection, { id, channel }: Frame<'subscribe'>): void {
  const { hub, settings } = connection.node
  const access = subscribeAccess(channel, connection.identity, settings.namespaces)
  if (!access.ok) return connection.fail(id, access.code, access.message)
  if (connection.find(channel) !== undefined) {
    return connection.fail(id, 'already_subscribed', `"${channel}" is subscribed already.`)
  }
  if (!hub.isConnected) return brokerUnavailable(connection, id)
  const subscription = connection.subscribe(access.name)
  if ('code' in subscription) return connection.fail(id, subscription.code, subscription.message)
  const confirmed = hub.confirmed(subscription)
  if (confirmed === true) return connection.send({ type: 'subscribed', id, channel })
  void confirmed.then((isConfirmed) => {
    if (!connection.isOpen) return
    // Unsubscribed or refused by a refresh while the broker was asked: who asked must not wait.
    if (subscription.index === -1) {
      return connection.fail(id, 'not_subscribed', 'The subscription has ended meanwhile.')
    }
    if (isConfirmed) return connection.send({ type: 'subscribed', id, channel })
    connection.unsubscribe(subscription)
    brokerUnavailable(connection, id)
  })
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
  const { id, contentType } = frame
  const { hub, settings, counters } = connection.node
  const access = publishAccess(frame.channel, connection.identity, settings.namespaces)
  if (!access.ok) return connection.fail(id, access.code, access.message)
  if (frame.payload.length > settings.publicationBytesMax) {
    const detail = `A publication has at most ${settings.publicationBytesMax} bytes.`
    return connection.fail(id, 'too_large', detail)
  }
  const from = { sender: connection.identity.subject, contentType }
  void hub.publish(access.name, frame.payload, from).then((result) => {
    if (!connection.isOpen) return
    if (!result.ok) {
      const { code, detail } = publishProblem(connection.node, result.code)
      return connection.fail(id, code, detail)
    }
    counters.publicationsAccepted += 1
    connection.send({ type: 'published', id })
  })
}

function refresh(connection: WebSocketConnection, { id, token }: Frame<'refresh'>): void {
  if (!connection.takeRefresh()) {
    return connection.fail(id, 'rate_limited', 'A connection refreshes its token once a second.')
  }
  const { authenticator, settings } = connection.node
  const verdict = authenticator.authenticate(token)
  if (!verdict.ok) return connection.fail(id, verdict.code, verdict.message)
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

function brokerUnavailable(connection: WebSocketConnection, id: number): void {
  connection.fail(id, 'broker_unavailable', 'The message broker is away; try again shortly.')
}
