/** One WebSocket: its subscriptions, and the outbox that is flushed once per tick. */
import type { WebSocket } from 'uWebSockets.js'
import type { Channel } from '../shared/channel.js'
import { closeCode, type CloseReason, type FrameCode, type GapReason } from '../shared/codes.js'
import type { ServerFrame } from '../shared/frames.js'
import type { Pattern } from '../shared/pattern.js'
import type { Publication } from '../hub/publication.js'
import type { Subscriber } from '../hub/subscriber.js'
import type { Subscription } from '../hub/subscription.js'
import { subscribeAccess } from './access.js'
import type { DueItem } from './due-wheel.js'
import type { Flushable } from './flush-queue.js'
import { FrameRates } from './frame-rates.js'
import type { Identity } from './identity.js'
import { expiryOf, firstHeartbeatAt, nextConnectionId, type Node } from './node.js'
import { Outbox } from './outbox.js'
import { sendTogether } from './send-together.js'
import type { WireFormat } from './wire-format.js'

/** What the engine keeps with a socket. */
export interface SocketData {
  readonly connection: SocketOwner
}

/** Whoever answers for a socket: a connection, or a refusal that has to be upgraded to be heard. */
export interface SocketOwner {
  opened(socket: WebSocket<SocketData>): void
  message(bytes: ArrayBuffer, isBinary: boolean): void
  drained(): void
  closed(): void
}

/** What an `error` frame says. */
export interface FrameRefusal {
  readonly code: FrameCode
  readonly message: string
}

/** The connection's side of frame handling; see websocket-frames.ts. */
export interface FrameHandler {
  (connection: WebSocketConnection, bytes: Uint8Array): void
}

/** The engine drops what goes over this, pings too: our own marks, at most 1.5 MB, lie below it. */
export const engineBackpressureMax = 2_097_152
/** Answers go out even to who is behind: this much is held for one who asks and never reads. */
const answersBytesMax = 524_288

/** Whole heartbeat intervals in which nothing left although bytes were waiting (PROTOCOL 10.3). */
const stalledBeatsMax = 2

/** Not welcomed yet; receives publications; has more unsent than it may, and misses some. */
type State = 0 | 1 | 2
const joining = 0
const live = 1
const behind = 2

const brokerRefused: FrameRefusal = {
  code: 'broker_unavailable',
  message: 'The message broker did not take the subscription.',
}

const noRoom: FrameRefusal = {
  code: 'overloaded',
  message: 'This node holds as many channels as it may.',
}

export class WebSocketConnection implements SocketOwner, Subscriber, Flushable, DueItem {
  // What a delivery touches stands first and together: a fan-out walks thousands of these.
  readonly node: Node
  readonly format: WireFormat
  #outbox: Outbox = Outbox.empty
  #state: State = joining
  /** Undefined before `opened` and after `closed`. */
  #socket: WebSocket<SocketData> | undefined = undefined
  #heldBytes = 0
  identity: Identity
  readonly #handle: FrameHandler
  #subscriptions: Subscription[] = []
  /** Subscriptions that lost something while behind, and why: told when it is live again. */
  #lossy: Map<Subscription, GapReason> | undefined = undefined
  #heartbeatAt = 0
  /** When the wheel comes by next; an earlier plan that is still in it no longer counts. */
  #visitAt = 0
  /** What was waiting just after the last heartbeat. */
  #beatBytes = 0
  #hasDrained = false
  #stalledBeats = 0
  #rates: FrameRates | undefined = undefined

  constructor(node: Node, identity: Identity, format: WireFormat, handle: FrameHandler) {
    this.node = node
    this.identity = identity
    this.format = format
    this.#handle = handle
  }

  get isOpen(): boolean {
    return this.#socket !== undefined
  }

  get subscriptions(): readonly Subscription[] {
    return this.#subscriptions
  }

  opened(socket: WebSocket<SocketData>): void {
    const { node } = this
    this.#socket = socket
    node.counters.connections.websocket += 1
    this.#heartbeatAt = firstHeartbeatAt(node)
    this.#visitBy(Math.min(this.#heartbeatAt, expiryOf(node, this.identity.expiresAt)))
    const refused = this.#subscribeClaimed()
    const waits = this.#subscriptions.filter((claimed) => node.hub.confirmed(claimed) !== true)
    if (waits.length === 0) this.#welcome(refused)
    else void this.#confirmClaimed(waits, refused)
  }

  message(bytes: ArrayBuffer, isBinary: boolean): void {
    const { counters, settings } = this.node
    counters.framesReceived += 1
    if (isBinary !== this.format.isBinary) return this.close('protocol_error')
    if (!this.#takeFrame()) return
    if (bytes.byteLength > settings.frameBytesMax) {
      const detail = `A frame has at most ${settings.frameBytesMax} bytes.`
      return this.fail(undefined, 'too_large', detail)
    }
    this.#handle(this, new Uint8Array(bytes))
    const { connectionBytesMax } = this.node.outbox
    if (this.#bufferedBytes() > connectionBytesMax + answersBytesMax) this.close('slow_consumer')
  }

  closed(): void {
    this.#socket = undefined
    this.#outbox = Outbox.empty
    this.#lossy = undefined
    this.node.outbox.adjust(this.#heldBytes, 0)
    this.node.counters.connections.websocket -= 1
    this.node.counters.subscriptions -= this.#subscriptions.length
    for (const subscription of this.#subscriptions) this.node.hub.unsubscribe(subscription)
    this.#subscriptions = []
  }

  takeRefresh(): boolean {
    const now = this.node.clock.now()
    return this.#frameRates(now).takeRefresh(now)
  }

  /** The token was refreshed: a life that became shorter must not wait for the next visit. */
  renew(identity: Identity): void {
    this.identity = identity
    const expiresAt = expiryOf(this.node, identity.expiresAt)
    if (expiresAt < this.#visitAt) this.#visitBy(expiresAt)
  }

  find(name: string): Subscription | undefined {
    return this.#subscriptions.find(({ interest }) => interest.name === name)
  }

  /** A name that it may subscribe, and has not. */
  subscribe(name: Channel | Pattern): Subscription | FrameRefusal {
    const { subscriptionsMax } = this.node.settings
    if (this.#subscriptions.length >= subscriptionsMax) {
      const message = `A connection has at most ${subscriptionsMax} subscriptions.`
      return { code: 'too_many_subscriptions', message }
    }
    const subscription = this.node.hub.subscribe(name, this)
    if (subscription === undefined) return noRoom
    this.#subscriptions.push(subscription)
    this.node.counters.subscriptions += 1
    return subscription
  }

  unsubscribe(subscription: Subscription): void {
    const at = this.#subscriptions.indexOf(subscription)
    if (at === -1) return
    this.#subscriptions.splice(at, 1)
    this.#lossy?.delete(subscription)
    this.node.counters.subscriptions -= 1
    this.node.hub.unsubscribe(subscription)
  }

  deliver(publication: Publication, subscription: Subscription): void {
    if (this.#state !== live) {
      if (this.#state === joining) return
      this.node.counters.deliveriesDropped.websocket += 1
      this.#lossy ??= new Map()
      this.#lossy.set(subscription, 'slow_consumer')
      return
    }
    this.node.counters.deliveries.websocket += 1
    this.#enqueue(this.format.publication(publication))
  }

  gap(reason: GapReason, subscription: Subscription): void {
    if (this.#state !== live) {
      if (this.#state === joining) return
      // Gaps wait as publications do: one for each subscription, however many there were.
      this.#lossy ??= new Map()
      if (!this.#lossy.has(subscription)) this.#lossy.set(subscription, reason)
      return
    }
    this.node.counters.gap(reason)
    this.send({ type: 'gap', channel: subscription.interest.name, reason })
  }

  send(frame: ServerFrame): void {
    this.#enqueue(this.format.encode(frame))
  }

  fail(id: number | undefined, code: FrameCode, message: string): void {
    this.node.counters.refuse(code)
    this.send({ type: 'error', ...(id === undefined ? {} : { id }), code, message })
  }

  /** The subscription of `channel` is refused or over, and no frame of the client asked for it. */
  sendEnded(channel: string, { code, message }: FrameRefusal): void {
    this.node.counters.refuse(code)
    this.send({ type: 'error', channel, code, message })
  }

  /** Never from `deliver`: the engine calls `closed` before `end` returns. */
  close(reason: CloseReason): void {
    if (this.#socket === undefined) return
    this.flush()
    this.node.counters.refuse(reason)
    this.#socket.end(closeCode[reason], reason)
  }

  flush(): void {
    const socket = this.#socket
    const outbox = this.#outbox
    if (socket === undefined || outbox === Outbox.empty || this.#state === joining) return
    this.#outbox = Outbox.empty
    const { isBinary } = this.format
    for (const portion of outbox.portions) {
      const only = portion.length === 1 ? portion[0] : undefined
      if (only === undefined) sendTogether(socket, portion, isBinary)
      else if (socket.send(only, isBinary) === 1 && this.#heldBytes === 0) continue
      // Inside a cork the first failing send still says that it went well: look here.
      this.#noteBuffered()
    }
  }

  drained(): void {
    this.#hasDrained = true
    this.#noteBuffered()
  }

  due(now: number): number | undefined {
    const socket = this.#socket
    if (socket === undefined || now < this.#visitAt) return undefined
    const expiresAt = expiryOf(this.node, this.identity.expiresAt)
    if (now >= expiresAt) {
      this.node.counters.expirations += 1
      this.close('token_expired')
      return undefined
    }
    if (now >= this.#heartbeatAt) {
      this.#heartbeatAt = now + this.node.settings.heartbeatSeconds * 1000
      if (this.#hasStalled()) {
        this.close('slow_consumer')
        return undefined
      }
      // The frame is for clients that cannot see a ping; both leave in one send.
      socket.cork(() => {
        this.flush()
        socket.ping()
        socket.send(this.format.heartbeat, this.format.isBinary)
      })
      this.#beatBytes = this.#bufferedBytes()
      this.#noteBuffered()
    }
    this.#visitAt = Math.min(this.#heartbeatAt, expiresAt)
    return this.#visitAt
  }

  leave(): void {
    this.close('draining')
  }

  /**
   * What is published after the welcome must arrive: so it waits for the broker. If that is away
   * it does not; the subscriptions stand, and hear of a gap when it is back (PROTOCOL 10.6).
   */
  async #confirmClaimed(waits: Subscription[], refused: [string, FrameRefusal][]): Promise<void> {
    const { hub } = this.node
    const confirmed = await Promise.all(waits.map((claimed) => hub.confirmed(claimed)))
    if (!this.isOpen) return
    for (const [at, claimed] of waits.entries()) {
      if (confirmed[at] === true || !hub.isConnected) continue
      this.unsubscribe(claimed)
      refused.push([claimed.interest.name, brokerRefused])
    }
    this.#welcome(refused)
  }

  #welcome(refused: readonly [string, FrameRefusal][]): void {
    const { node } = this
    const { frames } = this.#outbox
    this.#outbox = Outbox.empty
    this.#state = live
    this.send({
      type: 'welcome',
      connection: nextConnectionId(node),
      node: node.id,
      expiresAt: this.identity.expiresAt,
      heartbeatSeconds: node.settings.heartbeatSeconds,
      subscriptions: this.#subscriptions.map(({ interest }) => interest.name),
    })
    for (const [name, refusal] of refused) this.sendEnded(name, refusal)
    // Answers to a client that did not wait for the welcome.
    for (const frame of frames) this.#enqueue(frame)
    // The engine has corked the answer to the upgrade: the welcome leaves in the same send.
    this.flush()
  }

  /** The `channels` claim: subscribed without being asked for. Returns what had to be refused. */
  #subscribeClaimed(): [string, FrameRefusal][] {
    const { settings } = this.node
    const refused: [string, FrameRefusal][] = []
    for (const name of this.identity.permissions.channels) {
      const access = subscribeAccess(name, this.identity, settings.namespaces)
      const outcome = access.ok ? this.subscribe(access.name) : access
      if ('code' in outcome) refused.push([name, outcome])
    }
    return refused
  }

  #visitBy(at: number): void {
    this.#visitAt = at
    this.node.wheel.add(this, at)
  }

  /**
   * What waits for the end of the tick counts, too: a burst must find out as it comes whether the
   * connection is behind, or the engine would drop frames of which nobody is told.
   */
  #enqueue(frame: Uint8Array): void {
    if (this.#outbox === Outbox.empty) this.node.flushQueue.add(this)
    this.#outbox = this.#outbox.append(frame)
    if (this.#outbox.bytes + this.#heldBytes > this.node.outbox.connectionBytesMax) this.flush()
    this.node.flushQueue.countFrame()
  }

  /** After what was sent and what has drained: a send may push out what waited, without a drain. */
  #noteBuffered(): void {
    const buffered = this.#bufferedBytes()
    if (buffered === 0 && this.#heldBytes === 0) return
    const { outbox } = this.node
    this.#heldBytes = outbox.adjust(this.#heldBytes, buffered)
    if (buffered > outbox.highBytes) this.#state = behind
    else if (this.#state === behind && buffered <= outbox.lowBytes) this.#goLive()
  }

  #goLive(): void {
    this.#state = live
    const lossy = this.#lossy ?? []
    this.#lossy = undefined
    for (const [subscription, reason] of lossy) this.gap(reason, subscription)
  }

  /** Looked at before each heartbeat, which adds a few bytes of its own to those that wait. */
  #hasStalled(): boolean {
    const isStuck =
      this.#beatBytes > 0 && !this.#hasDrained && this.#bufferedBytes() >= this.#beatBytes
    this.#stalledBeats = isStuck ? this.#stalledBeats + 1 : 0
    this.#hasDrained = false
    return this.#stalledBeats >= stalledBeatsMax
  }

  #bufferedBytes(): number {
    return this.#socket?.getBufferedAmount() ?? 0
  }

  #frameRates(now: number): FrameRates {
    this.#rates ??= new FrameRates(this.node.settings, now)
    return this.#rates
  }

  #takeFrame(): boolean {
    const { clock, counters, settings } = this.node
    const now = clock.now()
    const rates = this.#frameRates(now)
    if (rates.takeFrame(now)) return true
    if (rates.takeAnswer(now)) {
      const detail = `A connection sends at most ${settings.framesPerSecondMax} frames a second.`
      this.fail(undefined, 'rate_limited', detail)
    } else counters.refuse('rate_limited')
    return false
  }
}
