/** WebSocket: subscriptions by frame, the token refreshed in band (PROTOCOL 4). */
import { isChannel } from '../shared/channel.js'
import type {
  ErrorFrame,
  PublicationFrame,
  ServerFrame,
  SubscribedFrame,
  WelcomeFrame,
} from '../shared/frames.js'
import type { Position } from '../shared/position.js'
import { FramePacer } from './frame-pacer.js'
import { jsonCodec, type FrameCodec } from './frame-codec.js'
import { SingleConnection } from './single-connection.js'
import type { Refusal } from './tidegate-error.js'
import type { Connection, ConnectionEvent, ConnectionRequest, Transport } from './transport.js'
import { UnansweredFrames } from './unanswered-frames.js'

/** What is needed of a WebSocket; the browser's own fits, and so does the npm package `ws`. */
export interface Socket {
  /** Set to `arraybuffer`. */
  binaryType: string
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  addEventListener(type: 'close', listener: (event: SocketClose) => void): void
  addEventListener(type: 'error', listener: () => void): void
  send(data: string | Uint8Array<ArrayBuffer>): void
  close(code?: number): void
}

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

export class WebSocketTransport implements Transport {
  readonly name = 'websocket'
  readonly #openSocket: OpenSocket
  readonly #codec: FrameCodec

  /** @param openSocket by default the platform's; Node 20 has none: give it that of `ws` */
  constructor(openSocket: OpenSocket = openPlatformSocket, codec: FrameCodec = jsonCodec) {
    this.#openSocket = openSocket
    this.#codec = codec
  }

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
  /** What the token subscribed, named or not; undefined until the welcome is through. */
  #claimed: Set<string> | undefined
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
      this.heard()
      this.watchSilence()
    } catch (error) {
      const isRefusal = (error as Partial<Refusal>).code === 'token_unavailable'
      if (isRefusal) this.end(error as Refusal)
      // Most likely the token has characters that no token has.
      else this.fail('token_unavailable', String(error))
    }
  }

  /** What the token subscribed stays, whether it is named or not. */
  override update(channels: readonly string[]): boolean {
    if (this.isClosed) return false
    const before = this.#wanted
    const claimed = this.#claimed
    this.#wanted = new Set(channels)
    // Those that are gone make room for the others.
    for (const name of before) {
      if (this.#wanted.has(name) || claimed?.has(name)) continue
      this.forgetEnd(name)
      if (claimed !== undefined) this.#unsubscribe(name)
    }
    // The welcome subscribes what is wanted by then.
    if (claimed === undefined) return true
    for (const name of this.#wanted) {
      if (before.has(name)) continue
      // What came of it while nobody held it left no place.
      if (claimed.delete(name)) this.#unsubscribe(name)
      this.#subscribe(name)
    }
    return true
  }

  override check(): void {
    if (this.#claimed !== undefined) this.#pacer.send({ type: 'ping' })
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
        if (!this.#isLeaving(frame.pattern ?? frame.channel)) this.take(frame)
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
        return this.#isLeaving(frame.channel) ? undefined : this.lose(frame)
      case 'ended':
        return this.#endChannel(frame.channel)
      case 'unsubscribed':
        return void this.#unanswered.answer(frame.id)
      case 'error':
        return this.#refuse(frame)
      case 'pong':
      case 'published':
        return
    }
  }

  #welcome(frame: WelcomeFrame): void {
    this.watchSilence(frame.heartbeatSeconds)
    this.#refreshIn(this.request.gateway.welcomed(frame))
    const { subscriptions, positions } = frame
    this.emit({ type: 'welcome', subscriptions })
    const claimed = new Set(subscriptions)
    this.#claimed = claimed
    for (const name of new Set([...this.#wanted, ...claimed])) {
      if (!claimed.has(name)) this.#subscribe(name)
      else this.#joinLive(name, positions?.[name])
    }
    this.#sayReady()
  }

  /** What the token subscribed begins live; from a position it must be subscribed anew. */
  #joinLive(name: string, live: Position | undefined): void {
    const { last, progress } = this.request
    if (live === undefined) {
      this.#beginEphemeral(name)
    } else if (last !== undefined || progress.place(name) !== undefined) {
      this.#unsubscribe(name)
      this.#subscribe(name)
    } else {
      this.#begun.add(name)
      progress.begin(name, live, false)
    }
  }

  #beginEphemeral(name: string): void {
    if (this.request.progress.beginEphemeral(name)) this.missed(name)
  }

  #subscribe(channel: string): void {
    const id = ++this.#lastId
    const place = this.request.progress.placeToShow(channel)
    const last = place === undefined ? this.request.last : undefined
    this.#unanswered.subscribe(id, { channel, place, last })
    this.#pacer.send({ type: 'subscribe', id, channel, position: place, last })
  }

  #unsubscribe(channel: string): void {
    const id = ++this.#lastId
    this.#begun.delete(channel)
    this.#unanswered.unsubscribe(id, channel)
    this.#pacer.send({ type: 'unsubscribe', id, channel })
  }

  #begin(frame: SubscribedFrame): void {
    const asked = this.#unanswered.answer(frame.id)
    if (asked === undefined || asked === 'left') return
    const { type: _type, id: _id, channel, recovered, ...live } = frame
    const { epoch, offset } = live
    this.#begun.add(channel)
    this.emit({ type: 'subscribed', channel })
    if (epoch === undefined || offset === undefined) this.#beginEphemeral(channel)
    else {
      const { place, last } = asked
      // Of a channel without a newest publication there is nothing to begin with.
      const isEmpty = isChannel(channel) && live.time === undefined
      const isBehind = recovered !== undefined || (last !== undefined && !isEmpty)
      this.request.progress.begin(channel, { ...live, epoch, offset }, isBehind)
      const isOurs = typeof place === 'object' && place.epoch === epoch
      const bounds = isOurs ? { after: place.offset, upTo: offset } : {}
      if (recovered !== undefined) this.emit({ type: 'recovered', channel, recovered, ...bounds })
    }
    this.#sayReady()
  }

  #sayReady(): void {
    if (this.#isReady || this.#unanswered.isWaiting) return
    this.#isReady = true
    this.emit({ type: 'ready' })
  }

  #isLeaving(name: string): boolean {
    return this.#unanswered.isLeaving(name)
  }

  /** Who takes the name away as it hears of this, or adds another, keeps the connection. */
  #endChannel(channel: string): void {
    if (this.#isLeaving(channel)) return
    this.endChannel(channel)
    this.endIfAllHave([...this.#wanted, ...(this.#claimed ?? [])])
  }

  #refuse({ id, code, message, channel: ended }: ErrorFrame): void {
    const asked = id === undefined ? undefined : this.#unanswered.answer(id)
    if (asked === 'left' || (ended !== undefined && this.#isLeaving(ended))) return
    // What a new token no longer permits may be named, and subscribed by frame, when it does again.
    if (ended !== undefined) this.#claimed?.delete(ended)
    // A subscription that could not be made now is made by coming back, as a poll would.
    if (asked !== undefined && passing.test(code)) return this.fail(code, message)
    // It may be the place that cannot be read: the session knows what to do.
    if (asked?.place !== undefined && code === 'bad_request') {
      return this.end({ code, message, retryable: false })
    }
    const channel = ended ?? asked?.channel
    this.emit({ type: 'problem', code, message, ...(channel !== undefined && { channel }) })
    this.#sayReady()
  }

  /** By this machine's clock: where that is wrong, we are closed with 4003 and come back. */
  #refreshIn(delayMs: number): void {
    this.#cancelRefresh()
    if (delayMs <= 0) return
    const { clock } = this.request.gateway.pace
    this.#cancelRefresh = clock.after(delayMs, () => void this.#refresh(delayMs))
  }

  async #refresh(delayMs: number): Promise<void> {
    try {
      const token = await this.request.gateway.credentials.token()
      this.#pacer.send({ type: 'refresh', id: ++this.#lastId, token })
    } catch (error) {
      this.emit({ type: 'problem', code: 'token_unavailable', message: String(error) })
      // Of what was left when it was asked for, a fifth is left now.
      this.#refreshIn(Math.max(refreshMsMin, delayMs / 5))
    }
  }

  #lose({ code, reason }: SocketClose): void {
    // The range is the policy, so a code that this client does not know is obeyed as well.
    const retryable = code < 4500 || code > 4999
    this.end({ code: reason || 'connection_lost', message: `closed with ${code}`, retryable })
  }
}
