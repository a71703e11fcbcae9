/** A WebSocket of the model: the client's end, and the node's, which speaks PROTOCOL 4. */
import type { ServerFrame, PublicationFrame, VerifiedOffset } from '../../shared/frames.js'
import { isChannel } from '../../shared/channel.js'
import type { Socket, SocketClose } from '../websocket-transport.js'
import { ModelLine } from './model-line.js'
import {
  atExpiry,
  expiryOf,
  Feed,
  heartbeatSeconds,
  isExpired,
  recoveryMax,
  type ModelNode,
  type NodeConnection,
} from './model-node.js'
import { durableNamespace, isPosition, type ModelPlace, type Said } from './model-reading.js'

type Frame = ServerFrame | PublicationFrame

interface ClientFrame {
  readonly type: string
  readonly id: number
  readonly channel: string
  readonly position?: ModelPlace | string
  readonly last?: number
  readonly token?: string
}

type Listener = (event: never) => void

/** What the client holds. */
export class ModelSocket implements Socket {
  binaryType = 'blob'
  readonly #listeners = new Map<string, Listener[]>()
  #state: 'open' | 'closed' = 'open'
  #peer: SocketPeer | undefined
  readonly #onClosed: () => void

  constructor(onClosed: () => void) {
    this.#onClosed = onClosed
  }

  meets(peer: SocketPeer): void {
    this.#peer = peer
  }

  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  addEventListener(type: 'close', listener: (event: SocketClose) => void): void
  addEventListener(type: 'error', listener: () => void): void
  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener])
  }

  send(data: string): void {
    if (this.#state === 'open') this.#peer?.receive(data)
  }

  close(): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#onClosed()
    this.#peer?.die()
  }

  say(text: string): void {
    if (this.#state === 'open') this.#tell('message', { data: text })
  }

  /** It closes by the node's word, or because the line broke. */
  end(event: SocketClose): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#onClosed()
    this.#tell('close', event)
  }

  #tell(type: string, event: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event as never)
  }
}

type Down = { readonly text: string } | { readonly close: SocketClose }

const broken: SocketClose = { code: 1006, reason: '' }

/** What the node holds. */
export class SocketPeer implements NodeConnection {
  readonly #node: ModelNode
  readonly #feeds = new Map<string, Feed>()
  readonly #down: ModelLine<Down>
  readonly #up: ModelLine<string>
  #isOver = false
  #unheardBeats = 0
  #cancelBeat: () => void = () => undefined
  #cancelExpiry: () => void = () => undefined

  constructor(node: ModelNode, socket: ModelSocket) {
    this.#node = node
    const { clock, chance } = node.cluster
    const cut = (): void => {
      this.die()
      socket.end(broken)
    }
    this.#down = new ModelLine<Down>(
      clock,
      chance,
      (item) => ('text' in item ? socket.say(item.text) : socket.end(item.close)),
      cut,
    )
    this.#up = new ModelLine(clock, chance, (text) => this.#take(text), cut)
  }

  has(name: string): boolean {
    return this.#feeds.has(name)
  }

  receive(text: string): void {
    this.#up.send(text)
  }

  /** The handshake. */
  welcome(credential: string): void {
    const node = this.#node
    const { clock, claims, chance } = node.cluster
    const expiresAt = expiryOf(credential)
    if (node.state !== 'up' || chance.has('refusal')) return this.#close(broken)
    if (expiresAt === undefined) return this.#close({ code: 4500, reason: 'token_invalid' })
    if (isExpired(expiresAt, clock)) return this.#close({ code: 4003, reason: 'token_expired' })
    node.connections.add(this)
    const positions: Record<string, ModelPlace> = {}
    for (const name of claims) {
      const source = node.source(name)
      const live = source.live(name)
      this.#feeds.set(name, new Feed(name, source, live))
      if (isPosition(live)) positions[name] = live
    }
    this.#say({
      ...{ type: 'welcome', connection: 'c', node: node.id, expiresAt, heartbeatSeconds },
      ...{ subscriptions: claims, positions: positions as never },
      ...(chance.upTo(1) === 0 && { ticket: credential.slice('bearer.'.length) }),
    })
    this.#expireAt(expiresAt)
    this.#beatIn(chance.random() * heartbeatSeconds * 1000)
  }

  pull(): void {
    for (const feed of this.#feeds.values()) this.#sayAll(feed.pull())
  }

  die(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#down.send({ close: broken })
    this.#up.close()
    this.#leave()
  }

  leave(): void {
    this.#close({ code: 4001, reason: 'draining' })
  }

  leak(name: string): void {
    const feed = this.#feeds.get(name)
    if (feed !== undefined) feed.isLeaky = true
  }

  reconnect(afterMs: number): void {
    this.#say({ type: 'reconnect', afterMs })
  }

  #close(close: SocketClose): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#down.send({ close })
    this.#up.close()
    this.#leave()
  }

  #leave(): void {
    this.#cancelBeat()
    this.#cancelExpiry()
    this.#node.connections.delete(this)
  }

  #say(frame: Frame): void {
    if (!this.#isOver) this.#down.send({ text: JSON.stringify(frame) })
  }

  #sayAll(said: readonly Said[]): void {
    for (const { frame } of said) {
      this.#say(frame)
      const isTwice = frame.type === 'publication' && frame.offset !== undefined
      if (isTwice && this.#node.cluster.chance.has('twice')) this.#say(frame)
    }
  }

  #take(text: string): void {
    if (this.#isOver) return
    const frame = JSON.parse(text) as ClientFrame
    switch (frame.type) {
      case 'subscribe':
        return this.#subscribe(frame)
      case 'unsubscribe':
        return this.#unsubscribe(frame)
      case 'refresh':
        return this.#refresh(frame)
      case 'ping':
        return this.#say({ type: 'pong' })
      default:
        this.#node.cluster.faults.push(`a frame of type ${frame.type}`)
    }
  }

  #subscribe({ id, channel, position, last }: ClientFrame): void {
    const node = this.#node
    const { chance, faults } = node.cluster
    const refuse = (code: 'bad_request' | 'broker_unavailable' | 'overloaded'): void =>
      this.#say({ type: 'error', id, code, message: code })
    if (this.#feeds.has(channel)) return void faults.push(`${channel} was subscribed already`)
    if (node.isBlind && durableNamespace(channel)) return refuse('broker_unavailable')
    if (chance.has('refusal')) return refuse('overloaded')
    const shown = position === undefined ? {} : { positions: { [channel]: position } }
    const places = node.places([channel], shown)
    if (places === undefined) return refuse('bad_request')
    const source = node.source(channel)
    const live = source.live(channel)
    const place = isPosition(live) ? places[channel] : undefined
    const reading = source.read(channel, place ?? node.begin(channel, last), recoveryMax)
    const recovered = place === undefined ? {} : { recovered: reading.isRecovered }
    const position_ = isPosition(live) ? live : {}
    this.#say({ type: 'subscribed', id, channel, ...position_, ...recovered })
    const said = place === undefined ? withoutGaps(reading.said) : reading.said
    this.#sayAll(said)
    const isEnded = node.hasEnded(channel, reading.at) && isChannel(channel)
    if (isEnded && said.at(-1)?.frame.type !== 'ended') this.#say({ type: 'ended', channel })
    this.#feeds.set(channel, new Feed(channel, source, reading.at))
  }

  #unsubscribe({ id, channel }: ClientFrame): void {
    if (this.#feeds.delete(channel)) return this.#say({ type: 'unsubscribed', id, channel })
    this.#say({ type: 'error', id, code: 'not_subscribed', message: 'it was refused, or ended' })
  }

  #refresh({ id, token }: ClientFrame): void {
    const expiresAt = expiryOf(`bearer.${token}`)
    if (expiresAt === undefined || isExpired(expiresAt, this.#node.cluster.clock)) {
      return this.#say({ type: 'error', id, code: 'token_expired', message: 'too late' })
    }
    this.#say({ type: 'refreshed', id, expiresAt })
    this.#expireAt(expiresAt)
  }

  #expireAt(expiresAt: number): void {
    this.#cancelExpiry()
    const close = { code: 4003, reason: 'token_expired' }
    this.#cancelExpiry = atExpiry(expiresAt, this.#node.cluster.clock, () => this.#close(close))
  }

  #beatIn(delayMs: number): void {
    this.#cancelBeat = this.#node.cluster.clock.after(delayMs, () => {
      // Not even a pong comes (PROTOCOL 10.2).
      if (this.#up.isSilent && ++this.#unheardBeats > 3) return this.die()
      const verified: Record<string, VerifiedOffset> = {}
      for (const { at, name } of this.#feeds.values()) {
        if (!isPosition(at)) continue
        verified[name.split('.')[0] ?? ''] = { epoch: at.epoch, offset: at.verified ?? 0 }
      }
      const isNews = !this.#node.isBlind && Object.keys(verified).length > 0
      this.#say({ type: 'heartbeat', ...(isNews && { verified }) })
      this.#beatIn(heartbeatSeconds * 1000)
    })
  }
}

/** Who begins with the newest is owed nothing before them. */
function withoutGaps(said: readonly Said[]): readonly Said[] {
  return said.filter(({ frame }) => frame.type !== 'gap')
}
