/** One WebSocket: its subscriptions, and the outbox that is flushed once per tick. */
import type { WebSocket } from 'uWebSockets.js'
import type { Channel } from '../shared/channel.js'
import { closeCode, type CloseReason, type FrameCode, type GapReason } from '../shared/codes.js'
import type { ServerFrame } from '../shared/frames.js'
import type { Pattern } from '../shared/pattern.js'
import type { Gap } from '../hub/gap.js'
import type { Publication } from '../hub/publication.js'
import type { Subscriber } from '../hub/subscriber.js'
import type { Subscription } from '../hub/subscription.js'
import type { CatchingUp } from './catch-up-queue.js'
import type { DueItem } from './due-wheel.js'
import type { Flushable } from './flush-queue.js'
import { FrameRates } from './frame-rates.js'
import { noRoom, tooManyFrames, tooManySubscriptions, type FrameRefusal } from './frame-refusal.js'
import { gapFrame } from './gap-frame.js'
import type { Identity } from './identity.js'
import { expiryOf, firstHeartbeatAt, nextWelcome, type Node } from './node.js'
import { Outbox } from './outbox.js'
import { sendTogether } from './send-together.js'
import type { SocketData, SocketOwner } from './socket-owner.js'
import { welcome, type Claimed } from './websocket-welcome.js'
import type { WireFormat } from './wire-format.js'

/** The connection's side of frame handling; see websocket-frames.ts. */
export interface FrameHandler {
  (connection: WebSocketConnection, bytes: Uint8Array): void
}

/** Answers go out even to who is behind: this much is held for one who asks and never reads. */
const answersBytesMax = 524_288

/** Whole heartbeat intervals in which nothing left although bytes were waiting (PROTOCOL 10.3). */
const stalledBeatsMax = 2

/** Not welcomed yet; receives publications; has more unsent than it may, and misses some. */
type State = 0 | 1 | 2
const joining = 0
const live = 1
const behind = 2

export class WebSocketConnection
  implements SocketOwner, Subscriber, Flushable, CatchingUp, DueItem
{
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
  /** The hub holds something back until there is room. */
  #isAwaited = false
  /** Ephemeral subscriptions that lost something while behind, and why: told when it is over. */
  #lossy: Map<Subscription, GapReason> | undefined = undefined
  #heartbeatAt = 0
  /** Of the verified offsets that a heartbeat has told. */
  #toldVersion = -1
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
    welcome(this)
  }

  message(bytes: ArrayBuffer, isBinary: boolean): void {
    this.node.counters.framesReceived += 1
    if (isBinary !== this.format.isBinary) return this.close('protocol_error')
    if (!this.#takeFrame()) return
    const { frameBytesMax } = this.node.settings
    if (bytes.byteLength > frameBytesMax) {
      return this.fail(undefined, 'too_large', `A frame has at most ${frameBytesMax} bytes.`)
    }
    this.#handle(this, new Uint8Array(bytes))
    this.#closeIfOverfull()
  }

  closed(): void {
    this.#socket = undefined
    this.#outbox = Outbox.empty
    this.#lossy = undefined
    const { outbox, counters, hub } = this.node
    outbox.adjust(this.#heldBytes, 0)
    counters.connections.websocket -= 1
    counters.subscriptions -= this.#subscriptions.length
    for (const subscription of this.#subscriptions) hub.unsubscribe(subscription)
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
    const { subscriptionsMax: countMax } = this.node.settings
    if (this.#subscriptions.length >= countMax) return tooManySubscriptions(countMax)
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

  get canTake(): boolean {
    const hasRoom = this.#hasRoom
    this.#isAwaited ||= !hasRoom
    return hasRoom
  }

  deliver(publication: Publication, subscription: Subscription): boolean {
    if (this.#state !== live) return this.#miss(subscription)
    this.node.counters.deliveries.websocket += 1
    this.#enqueue(this.format.publication(publication))
    return true
  }

  gap(gap: Gap, subscription: Subscription): void {
    const { namespace, name } = subscription.interest
    if (namespace === undefined && this.#state !== live) {
      return this.#lose(subscription, gap.reason)
    }
    this.node.counters.gap(gap.reason)
    this.send(gapFrame(name, gap))
  }

  /** Of a pattern's channels no end is told (PROTOCOL 4.21). */
  ended({ interest }: Subscription): void {
    if (interest.channel !== undefined) this.send({ type: 'ended', channel: interest.channel })
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
    if (this.#isAwaited) this.#goOnLater()
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
        if (this.#state !== joining) socket.send(this.#heartbeat(), this.format.isBinary)
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

  welcome({ subscriptions, positions, refused }: Claimed): void {
    const { node } = this
    const { frames } = this.#outbox
    this.#outbox = Outbox.empty
    this.#state = live
    this.send({
      type: 'welcome',
      ...nextWelcome(node, this.identity),
      subscriptions: subscriptions.map(({ interest }) => interest.name),
      ...(positions.length > 0 && { positions: Object.fromEntries(positions) }),
    })
    for (const [name, refusal] of refused) this.sendEnded(name, refusal)
    // Answers to a client that did not wait for the welcome.
    for (const frame of frames) this.#enqueue(frame)
    for (const subscription of subscriptions) node.hub.release(subscription)
    // The engine has corked the answer to the upgrade: the welcome leaves in the same send.
    this.flush()
  }

  /** In a turn of its own: see `CatchUpQueue`. */
  goOn(): void {
    this.#closeIfOverfull()
    this.node.hub.drained(this.#subscriptions)
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
    if (this.#isAwaited || this.#isOverfull) this.#goOnLater()
  }

  #goLive(): void {
    this.#state = live
    const lossy = this.#lossy ?? []
    this.#lossy = undefined
    for (const [subscription, reason] of lossy) this.gap({ reason }, subscription)
  }

  /** It is not taken: what is durable waits in its history; what is ephemeral is lost. */
  #miss(subscription: Subscription): false {
    if (subscription.interest.namespace !== undefined) this.#isAwaited = true
    else {
      if (this.#state === behind) this.node.counters.deliveriesDropped.websocket += 1
      this.#lose(subscription, 'slow_consumer')
    }
    return false
  }

  /** Gaps wait as publications do, one a subscription; dropped publications come first. */
  #lose(subscription: Subscription, reason: GapReason): void {
    // Before the welcome nothing was promised.
    if (this.#state === joining) return
    this.#lossy ??= new Map()
    if (reason === 'slow_consumer' || !this.#lossy.has(subscription)) {
      this.#lossy.set(subscription, reason)
    }
  }

  /** For another portion of a history. */
  get #hasRoom(): boolean {
    const waiting = this.#outbox.bytes + this.#heldBytes
    return this.#state === live && waiting <= this.node.outbox.portionBytes
  }

  #goOnLater(): void {
    if (!this.#isOverfull && !this.#hasRoom) return
    this.#isAwaited = false
    this.node.catchUpQueue.add(this)
  }

  /** What leaves even to who is behind, answers and gaps, has a bound as well. */
  get #isOverfull(): boolean {
    return this.#bufferedBytes() > this.node.outbox.connectionBytesMax + answersBytesMax
  }

  #closeIfOverfull(): void {
    if (this.#isOverfull) this.close('slow_consumer')
  }

  /** Who is behind, or is still being given a history, is told later how far it has everything. */
  #heartbeat(): Uint8Array {
    const { heartbeats } = this.node
    if (this.#state !== live || this.#toldVersion === heartbeats.version) {
      return this.format.heartbeat
    }
    const isWhole = this.#subscriptions.every(({ catchUp }) => catchUp === undefined)
    if (isWhole) this.#toldVersion = heartbeats.version
    return heartbeats.frame(this.format, this.#subscriptions)
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
    if (!rates.takeAnswer(now)) counters.refuse('rate_limited')
    else this.fail(undefined, 'rate_limited', tooManyFrames(settings.framesPerSecondMax))
    return false
  }
}
