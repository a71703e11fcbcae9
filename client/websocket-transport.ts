/** WebSocket: subscriptions by frame, the token refreshed in band (PROTOCOL 4). */
import { isChannel } from '../shared/channel.js'
import { decodeCursor } from '../shared/cursor.js'
import { closeCode, httpStatus, type FrameCode, type HttpCode } from '../shared/codes.js'
import type {
  ErrorFrame,
  PublicationFrame,
  ServerFrame,
  SubscribedFrame,
  WelcomeFrame,
} from '../shared/frames.js'
import type { Position } from '../shared/position.js'
import type { Clock } from './clock.js'
import { eventsUrl } from './events-url.js'
import { SingleConnection } from './single-connection.js'
import { systemClock } from './system-clock.js'
import type { Connection, ConnectionEvent, ConnectionRequest, Transport } from './transport.js'

/** What is needed of a WebSocket; the browser's own fits, and so does the npm package `ws`. */
export interface Socket {
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void
  addEventListener(type: 'close', listener: (event: SocketClose) => void): void
  addEventListener(type: 'error', listener: () => void): void
  send(text: string): void
  close(code?: number): void
}

export interface SocketClose {
  readonly code: number
  readonly reason: string
}

export type OpenSocket = (url: string, protocols: string[]) => Socket

/** A refused socket opens, too, so only the `welcome` is success, and it is not waited for long. */
const welcomeWithinMs = 10_000
/** The token is renewed when this part of its remaining life has passed. */
const refreshAfterPart = 0.8

export class WebSocketTransport implements Transport {
  readonly name = 'websocket'
  readonly #clock: Clock
  readonly #openSocket: OpenSocket

  constructor(clock: Clock = systemClock, openSocket: OpenSocket = openPlatformSocket) {
    this.#clock = clock
    this.#openSocket = openSocket
  }

  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    const connection = new WebSocketConnection(request, onEvent, this.#clock)
    void connection.start(this.#openSocket)
    return connection
  }
}

function openPlatformSocket(url: string, protocols: string[]): Socket {
  return new WebSocket(url, protocols)
}

/** What a subscribe frame asked for. */
interface Asked {
  readonly channel: string
  readonly position: Position | undefined
  readonly last: number | undefined
}

class WebSocketConnection extends SingleConnection {
  readonly #clock: Clock
  #socket: Socket | undefined
  #heardAt = 0
  #silenceMsMax = welcomeWithinMs
  #cancelSilence: () => void = () => undefined
  #cancelRefresh: () => void = () => undefined
  #lastId = 0
  /** By the id of its subscribe frame, until that is answered. */
  readonly #asked = new Map<number, Asked>()
  /**
   * Names of which nothing is heard until they are subscribed anew: the application has left them,
   * or their subscription by the token gives way to one from a position (PROTOCOL 4.22).
   */
  readonly #yielding = new Set<string>()
  /** Frames whose answers mean nothing any more, by id. */
  readonly #voided = new Set<number>()
  #channels: ReadonlySet<string>
  #names = new Set<string>()
  #isWelcome = false

  constructor(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void, clock: Clock) {
    super(request, onEvent)
    this.#clock = clock
    this.#channels = new Set(request.channels)
  }

  override update(channels: readonly string[]): boolean {
    const before = this.#channels
    this.#channels = new Set(channels)
    if (!this.#isWelcome) return true
    for (const name of before) if (!this.#channels.has(name)) this.#leave(name)
    for (const name of this.#channels) if (!this.#names.has(name)) this.#join(name)
    return true
  }

  get cursor(): string | undefined {
    return this.#isWelcome ? this.progress.positions.cursor : this.request.cursor
  }

  async start(openSocket: OpenSocket): Promise<void> {
    const { cursor } = this.request
    if (cursor !== undefined && decodeCursor(cursor) === undefined) {
      const message = 'the cursor cannot be read'
      return this.end({ code: 'bad_request', message, retryable: false })
    }
    const token = await this.fetchToken()
    if (token === undefined) return
    const url = eventsUrl(this.request.url)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    this.emit({ type: 'wire', direction: 'out', text: `GET ${url.pathname} Upgrade: websocket` })
    const socket = openSocket(url.href, ['tidegate.v1.json', `bearer.${token}`])
    this.#socket = socket
    socket.addEventListener('message', (event) => this.#hear(event.data))
    socket.addEventListener('close', (event) => this.#lose(event.code, event.reason))
    socket.addEventListener('error', () => undefined) // `close` follows and says more
    this.#heardAt = this.#clock.now()
    this.#watchSilence()
  }

  protected release(): void {
    this.#cancelSilence()
    this.#cancelRefresh()
    this.#socket?.close(1000)
  }

  #hear(data: unknown): void {
    if (this.isClosed || typeof data !== 'string') return
    this.#heardAt = this.#clock.now()
    this.emit({ type: 'wire', direction: 'in', text: data })
    const frame = this.parse(data) as ServerFrame | PublicationFrame | undefined
    switch (frame?.type) {
      case undefined:
        return
      case 'publication':
        return this.#take(frame)
      case 'welcome':
        return this.#greet(frame)
      case 'subscribed':
        return this.#begin(frame)
      case 'heartbeat':
        return this.progress.positions.heartbeat(frame.verified ?? {})
      case 'refreshed':
        return this.#refreshBefore(frame.expiresAt)
      case 'gap':
        if (this.#yielding.has(frame.channel)) return
        this.progress.positions.gap(frame)
        return this.lose(frame)
      case 'ended':
        if (this.#yielding.has(frame.channel)) return
        this.endChannel(frame.channel)
        if (this.haveEnded([...this.#names])) this.endAll()
        return
      case 'error':
        return this.#refuse(frame)
      case 'unsubscribed':
        return this.#left(frame.id, frame.channel)
      case 'pong':
      case 'published':
        return
    }
  }

  #greet(frame: WelcomeFrame): void {
    this.#silenceMsMax = frame.heartbeatSeconds * 2000
    this.#refreshBefore(frame.expiresAt)
    this.#isWelcome = true
    this.emit({ type: 'welcome', subscriptions: frame.subscriptions })
    this.#names = new Set(frame.subscriptions)
    for (const name of this.#names) this.#joinLive(name, frame.positions?.[name])
    for (const name of this.#channels) if (!this.#names.has(name)) this.#join(name)
  }

  #join(name: string): void {
    this.#names.add(name)
    this.#subscribe(name)
  }

  #leave(name: string): void {
    this.#names.delete(name)
    this.progress.positions.forget(name)
    this.progress.chain.forget(name)
    for (const [id, { channel }] of this.#asked) {
      if (channel !== name) continue
      this.#asked.delete(id)
      this.#voided.add(id)
    }
    this.#yield(name)
  }

  #yield(name: string): void {
    this.#yielding.add(name)
    const id = ++this.#lastId
    this.#voided.add(id)
    this.#send(JSON.stringify({ type: 'unsubscribe', id, channel: name }))
  }

  /** Nothing of the old subscription comes any more. */
  #left(id: number, name: string): void {
    this.#voided.delete(id)
    if (!this.#names.has(name)) this.#yielding.delete(name)
  }

  /** What the token subscribed begins live; from a position it must be subscribed anew. */
  #joinLive(name: string, live: Position | undefined): void {
    const { positions, chain } = this.progress
    const isWanted = live !== undefined && this.request.last !== undefined
    if (isWanted || positions.of(name) !== undefined) {
      this.#yield(name)
      this.#subscribe(name)
    } else if (live !== undefined) {
      positions.begin(name, live, false)
      if (isChannel(name)) chain.begin(name, live.offset)
    }
  }

  #subscribe(channel: string): void {
    const id = ++this.#lastId
    const position = this.progress.positions.of(channel)
    const last = position === undefined ? this.request.last : undefined
    this.#asked.set(id, { channel, position, last })
    this.#send(JSON.stringify({ type: 'subscribe', id, channel, position, last }))
  }

  #begin(frame: SubscribedFrame): void {
    const asked = this.#asked.get(frame.id)
    this.#asked.delete(frame.id)
    if (this.#voided.delete(frame.id) || asked === undefined) return
    const { channel, epoch, offset, recovered } = frame
    this.#yielding.delete(channel)
    this.emit({ type: 'subscribed', channel })
    if (epoch === undefined || offset === undefined) return // ephemeral
    const { positions, chain } = this.progress
    const { position, last } = asked
    const live = positionOf(frame, epoch, offset)
    // Of a channel without a newest publication there is nothing to begin with.
    const isEmpty = isChannel(channel) && live.time === undefined
    const isBehind = position !== undefined || (last !== undefined && !isEmpty)
    positions.begin(channel, live, isBehind)
    if (!isBehind && isChannel(channel)) chain.begin(channel, offset)
    if (position === undefined || recovered === undefined) return
    const bounds = position.epoch === epoch ? { after: position.offset, upTo: offset } : {}
    this.emit({ type: 'recovered', channel, recovered, ...bounds })
  }

  #take(frame: PublicationFrame): void {
    const { channel, pattern = channel, offset, time } = frame
    if (this.#yielding.has(pattern) || this.linkOf(frame) !== 'next') return
    if (offset !== undefined) this.progress.positions.publication(pattern, offset, time)
    this.take(frame)
  }

  #refuse({ id = 0, code, message, channel = this.#asked.get(id)?.channel }: ErrorFrame): void {
    if (this.#voided.delete(id)) return
    const isSubscribe = this.#asked.delete(id)
    // A subscription that could not be made now is made by coming back, as a poll would.
    if (isSubscribe && isPassing(code)) return this.end({ code, message, retryable: true })
    this.emit({ type: 'problem', code, message, ...(channel !== undefined && { channel }) })
  }

  #send(text: string, shown: string = text): void {
    this.emit({ type: 'wire', direction: 'out', text: shown })
    if (!this.isClosed) this.#socket?.send(text)
  }

  /** By this machine's clock: where that is wrong, we are closed with 4003 and come back. */
  #refreshBefore(expiresAt: number): void {
    this.#cancelRefresh()
    const remainingMs = expiresAt - this.#clock.now()
    if (remainingMs <= 0) return
    this.#cancelRefresh = this.#clock.after(remainingMs * refreshAfterPart, () => {
      void this.#refresh()
    })
  }

  async #refresh(): Promise<void> {
    try {
      const token = await this.request.token()
      const frame = { type: 'refresh', id: ++this.#lastId, token }
      this.#send(JSON.stringify(frame), JSON.stringify({ ...frame, token: '…' }))
    } catch (error) {
      this.emit({ type: 'problem', code: 'token_unavailable', message: String(error) })
    }
  }

  #watchSilence(): void {
    const leftMs = this.#heardAt + this.#silenceMsMax - this.#clock.now()
    if (leftMs > 0) {
      this.#cancelSilence = this.#clock.after(leftMs, () => this.#watchSilence())
      return
    }
    const message = `nothing was heard for ${this.#silenceMsMax / 1000} s`
    this.end({ code: 'connection_silent', message, retryable: true })
  }

  #lose(code: number, reason: string): void {
    // The range is the policy, so a code that this client does not know is obeyed as well.
    const retryable = code < 4500 || code > 4999
    this.end({ code: reason || wordOf(code), message: `closed with ${code}`, retryable })
  }
}

function positionOf({ time, verified }: SubscribedFrame, epoch: string, offset: number): Position {
  return {
    epoch,
    offset,
    ...(time !== undefined && { time }),
    ...(verified !== undefined && { verified }),
  }
}

function isPassing(code: FrameCode): boolean {
  return code in httpStatus && httpStatus[code as HttpCode] >= 429
}

function wordOf(code: number): string {
  for (const [word, number] of Object.entries(closeCode)) if (number === code) return word
  return 'connection_lost'
}
