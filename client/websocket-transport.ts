/** WebSocket: subscriptions by frame, the token refreshed in band (PROTOCOL 4). */
import type {
  ErrorFrame,
  PublicationFrame,
  ServerFrame,
  SubscribedFrame,
  WelcomeFrame,
} from '../shared/frames.js'
import type { Position } from '../shared/position.js'
import { errorOf } from './gateway.js'
import { FramePacer } from './frame-pacer.js'
import { jsonCodec, type FrameCodec } from './frame-codec.js'
import { isPattern } from './progress.js'
import { SingleConnection, welcomeMsMax } from './single-connection.js'
import type { Connection, ConnectionEvent, ConnectionRequest, Transport } from './transport.js'
import { UnansweredFrames } from './unanswered-frames.js'

/** What is needed of a WebSocket; the browser's own fits, and so does the npm package `ws`. */
export interface Socket {
  /** Set to `arraybuffer`. */
  binaryType: string
  /** As of the platform's. */
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  /** As of the platform's. */
  addEventListener(type: 'close', listener: (event: SocketClose) => void): void
  /** As of the platform's. */
  addEventListener(type: 'error', listener: () => void): void
  /** One frame. */
  send(data: string | Uint8Array<ArrayBuffer>): void
  /** Ends it. */
  close(code?: number): void
}

/** Why a WebSocket has ended, by its close code. */
export interface SocketClose {
  readonly code: number
  readonly reason: string
}

/** Opens a WebSocket with these subprotocols. It may throw. */
export type OpenSocket = (url: string, protocols: string[]) => Socket

/** Codes of what may be granted when it is asked for again (PROTOCOL 9). */
const passing = /^(rate_limited|internal_error|overloaded|draining|broker_unavailable|key_unknown)$/
/** However little of its life is left to a token that could not be renewed. */
const refreshMsMin = 1_000

/** The first choice: one connection for everything, both ways. */
export class WebSocketTransport implements Transport {
  readonly name = 'websocket'
  readonly #openSocket: OpenSocket
  readonly #codec: FrameCodec

  /** @param openSocket by default the platform's; Node 20 has none: give it that of `ws` */
  constructor(openSocket: OpenSocket = openPlatformSocket, codec: FrameCodec = jsonCodec) {
    this.#openSocket = openSocket
    this.#codec = codec
  }

  /** @internal */
  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    const connection = new WebSocketConnection(request, onEvent, this.#codec)
    void connection.start(this.#openSocket)
    return connection
  }
}

function openPlatformSocket(url: string, protocols: string[]): Socket {
  return new WebSocket(url, protocols)
}

class WebSocketConnection extends SingleConnection {
  readonly #codec: FrameCodec
  #socket: Socket | undefined
  #cancelRefresh: () => void = () => undefined
  #lastId = 0
  readonly #unanswered = new UnansweredFrames()
  readonly #pacer: FramePacer
  /** What the application names. */
  #wanted: ReadonlySet<string>
  #isWelcome = false
  /** Subscribed, by the server's word. */
  readonly #begun = new Set<string>()
  #isReady = false

  constructor(
    request: ConnectionRequest,
    onEvent: (event: ConnectionEvent) => void,
    codec: FrameCodec,
  ) {
    super(request, onEvent)
    this.#codec = codec
    this.#wanted = new Set(request.channels)
    this.#pacer = new FramePacer(request.gateway.pace.clock, (frame) => {
      if (!this.isClosed) this.#socket?.send(codec.encode(frame))
    })
  }

  async start(openSocket: OpenSocket): Promise<void> {
    const { gateway } = this.request
    try {
      const credential = await gateway.credentials.get()
      if (this.isClosed) return
      const url = gateway.address('events')
      url.protocol = url.protocol.replace('http', 'ws')
      const socket = openSocket(url.href, [this.#codec.protocol, credential])
      this.#socket = socket
      socket.binaryType = 'arraybuffer'
      socket.addEventListener('message', (event) => this.#hear(event.data))
      socket.addEventListener('close', (event) => this.#lose(event))
      socket.addEventListener('error', () => undefined) // `close` follows and says more
      this.watchSilence(welcomeMsMax)
    } catch (error) {
      this.end(errorOf(error))
    }
  }

  override update(channels: readonly string[]): boolean {
    if (this.isClosed) return false
    const before = this.#wanted
    this.#wanted = new Set(channels)
    // Those that are gone make room for the others.
    for (const name of before) {
      if (this.#wanted.has(name)) continue
      this.forgetEnd(name)
      if (this.#isWelcome) this.#unsubscribe(name)
    }
    // The welcome subscribes what is wanted by then.
    for (const name of this.#isWelcome ? this.#wanted : []) {
      if (!before.has(name)) this.#subscribe(name)
    }
    return true
  }

  override check(): void {
    if (this.#isWelcome) this.#pacer.send({ type: 'ping' })
    super.check()
  }

  protected release(): void {
    this.#cancelRefresh()
    this.#pacer.close()
    this.#socket?.close(1000)
  }

  #hear(data: unknown): void {
    if (this.isClosed) return
    this.heard()
    try {
      this.#take(this.#codec.decode(data) as ServerFrame | PublicationFrame)
    } catch (error) {
      // What cannot be read was not written by a gateway: a fresh connection may fare better.
      this.fail('protocol_error', String(error))
    }
  }

  #take(frame: ServerFrame | PublicationFrame): void {
    const { progress } = this.request
    switch (frame.type) {
      case 'publication':
        // Of an ephemeral channel some may come before its `subscribed`, and its gap.
        if (this.#begun.has(frame.pattern ?? frame.channel)) this.take(frame)
        return
      case 'welcome':
        return this.#welcome(frame)
      case 'subscribed':
        return this.#begin(frame)
      case 'heartbeat':
        return progress.heartbeat(frame.verified ?? {}, (name) => this.#begun.has(name))
      case 'refreshed':
        return this.#refreshIn(this.request.gateway.welcomed(frame))
      case 'reconnect':
        return this.emit({ type: 'reconnect', afterMs: frame.afterMs })
      case 'gap':
        return this.#unanswered.isLeaving(frame.channel) ? undefined : this.lose(frame)
      case 'ended':
        return this.#endChannel(frame.channel)
      case 'unsubscribed':
        this.#unanswered.answer(frame.id)
        return this.#sayReady()
      case 'error':
        return this.#refuse(frame)
      case 'pong':
      case 'published':
        return
    }
  }

  #welcome(frame: WelcomeFrame): void {
    this.watchSilence(frame.heartbeatSeconds * 2000)
    this.#refreshIn(this.request.gateway.welcomed(frame))
    this.emit({ type: 'welcome' })
    this.#isWelcome = true
    // What the token subscribed begins live, wherever we were, perhaps beside another connection
    // (4.22): what is wanted of it is subscribed anew, from its place.
    for (const name of frame.subscriptions) this.#unsubscribe(name)
    for (const name of this.#wanted) this.#subscribe(name)
    this.#sayReady()
  }

  #subscribe(channel: string): void {
    const id = ++this.#lastId
    const place = this.request.progress.placeToShow(channel)
    const last = place === undefined ? this.request.last : undefined
    this.#unanswered.add(id, { channel, place, last })
    this.#pacer.send({ type: 'subscribe', id, channel, position: place, last })
  }

  #unsubscribe(channel: string): void {
    const id = ++this.#lastId
    this.#begun.delete(channel)
    this.#unanswered.add(id, { channel, isUnsubscribe: true })
    this.#pacer.send({ type: 'unsubscribe', id, channel })
  }

  #begin(frame: SubscribedFrame): void {
    const asked = this.#unanswered.answer(frame.id)
    if (asked === undefined || asked.isLeft) return this.#sayReady()
    const { channel, epoch, offset, time, verified, recovered } = frame
    this.#begun.add(channel)
    this.emit({ type: 'subscribed', channel })
    const { progress } = this.request
    if (epoch === undefined || offset === undefined) {
      if (progress.beginEphemeral(channel)) this.missed(channel)
    } else {
      const live = { epoch, offset, time, verified } as Position
      // Of a channel without a newest publication there is nothing to begin with.
      const isEmpty = !isPattern(channel) && time === undefined
      const isBehind = recovered !== undefined || (asked.last !== undefined && !isEmpty)
      const after = progress.begin(channel, live, isBehind)
      if (after !== undefined) this.lose({ type: 'gap', channel, after, reason: 'not_subscribed' })
    }
    this.#sayReady()
  }

  #sayReady(): void {
    if (this.#isReady || this.#unanswered.areSome) return
    this.#isReady = true
    this.emit({ type: 'ready' })
  }

  /** Who takes the name away as it hears of this, or adds another, keeps the connection. */
  #endChannel(channel: string): void {
    if (this.#unanswered.isLeaving(channel)) return
    this.endChannel(channel)
    this.endIfAllHave([...this.#wanted])
  }

  #refuse({ id, code, message, channel: ended }: ErrorFrame): void {
    const asked = this.#unanswered.answer(id)
    if (asked?.isLeft || asked?.isUnsubscribe) return this.#sayReady()
    if (ended !== undefined && this.#unanswered.isLeaving(ended)) return
    if (ended !== undefined) this.#begun.delete(ended)
    // A subscription that could not be made now is made by coming back, as a poll would.
    if (asked !== undefined && passing.test(code)) return this.fail(code, message)
    // It may be the place that cannot be read: the session knows what to do.
    if (asked?.place !== undefined && code === 'bad_request') {
      return this.end({ code, message, retryable: false })
    }
    if (code.startsWith('token_')) this.request.gateway.credentials.refuse()
    const channel = ended ?? asked?.channel
    this.emit({ type: 'problem', code, message, ...(channel !== undefined && { channel }) })
    this.#sayReady()
  }

  /** By this machine's clock: where that is wrong, we are closed with 4003 and come back. */
  #refreshIn(delayMs: number): void {
    this.#cancelRefresh()
    if (delayMs <= 0 || this.isClosed) return
    const { clock } = this.request.gateway.pace
    this.#cancelRefresh = clock.after(delayMs, () => void this.#refresh(delayMs))
  }

  async #refresh(delayMs: number): Promise<void> {
    try {
      const token = await this.request.gateway.credentials.token()
      this.#pacer.send({ type: 'refresh', id: ++this.#lastId, token })
    } catch (error) {
      this.emit({ type: 'problem', code: 'token_unavailable', message: String(error) })
    }
    // Unless it is answered, again: of what was left when it was asked for, a fifth is left now.
    this.#refreshIn(Math.max(refreshMsMin, delayMs / 5))
  }

  #lose({ code, reason }: SocketClose): void {
    // The range is the policy, so a code that this client does not know is obeyed as well.
    const retryable = code < 4500 || code > 4999
    // The reason of a code that is not ours is no word of ours (9.4).
    const word = code >= 4000 && reason
    this.end({ code: word || 'connection_lost', message: `closed with ${code}`, retryable })
  }
}
