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
import { FramePacer } from './frame-pacer.js'
import { SingleConnection } from './single-connection.js'
import { systemClock } from './system-clock.js'
import type { Connection, ConnectionEvent, ConnectionRequest, Transport } from './transport.js'
import { UnansweredFrames } from './unanswered-frames.js'

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

class WebSocketConnection extends SingleConnection {
  readonly #clock: Clock
  #socket: Socket | undefined
  #heardAt = 0
  #silenceMsMax = welcomeWithinMs
  #cancelSilence: () => void = () => undefined
  #cancelRefresh: () => void = () => undefined
  #lastId = 0
  readonly #unanswered = new UnansweredFrames()
  readonly #pacer: FramePacer
  /** What the application names. */
  #wanted: ReadonlySet<string>
  /** What the token subscribed, named or not; undefined until the welcome is through. */
  #claimed: Set<string> | undefined

  constructor(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void, clock: Clock) {
    super(request, onEvent)
    this.#clock = clock
    this.#wanted = new Set(request.channels)
    this.#pacer = new FramePacer(clock, (text) => {
      if (!this.isClosed) this.#socket?.send(text)
    })
  }

  get cursor(): string | undefined {
    const { request, progress } = this
    return this.#claimed === undefined ? request.cursor : progress.positions.cursor
  }

  async start(openSocket: OpenSocket): Promise<void> {
    const token = await this.fetchToken()
    if (token === undefined) return
    const { cursor } = this.request
    if (cursor !== undefined && decodeCursor(cursor) === undefined) {
      const message = 'the cursor cannot be read'
      return this.end({ code: 'bad_request', message, retryable: false })
    }
    const socket = this.#openWith(openSocket, token)
    if (socket === undefined) return
    this.#socket = socket
    socket.addEventListener('message', (event) => this.#hear(event.data))
    socket.addEventListener('close', (event) => this.#lose(event.code, event.reason))
    socket.addEventListener('error', () => undefined) // `close` follows and says more
    this.#heardAt = this.#clock.now()
    this.#watchSilence()
  }

  #openWith(openSocket: OpenSocket, token: string): Socket | undefined {
    try {
      const url = eventsUrl(this.request.url)
      url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
      this.emit({ type: 'wire', direction: 'out', text: `GET ${url.pathname} Upgrade: websocket` })
      return openSocket(url.href, ['tidegate.v1.json', `bearer.${token}`])
    } catch (error) {
      // Most likely the token has characters that no token has.
      this.end({ code: 'token_unavailable', message: String(error), retryable: true })
      return undefined
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
      this.forget(name)
      if (claimed !== undefined) this.#unsubscribe(name)
    }
    // The welcome subscribes what is wanted by then.
    if (claimed === undefined) return true
    for (const name of this.#wanted) {
      if (!before.has(name) && !claimed.has(name)) this.#subscribe(name)
    }
    return true
  }

  protected release(): void {
    this.#cancelSilence()
    this.#cancelRefresh()
    this.#pacer.close()
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
        if (this.#unanswered.isLeaving(frame.channel)) return
        this.progress.positions.gap(frame)
        return this.lose(frame)
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

  #greet(frame: WelcomeFrame): void {
    this.#silenceMsMax = frame.heartbeatSeconds * 2000
    this.#refreshBefore(frame.expiresAt)
    this.emit({ type: 'welcome', subscriptions: frame.subscriptions })
    const claimed = new Set(frame.subscriptions)
    this.#claimed = claimed
    for (const name of new Set([...this.#wanted, ...claimed])) {
      if (!claimed.has(name)) this.#subscribe(name)
      else this.#joinLive(name, frame.positions?.[name])
    }
  }

  /** What the token subscribed begins live; from a position it must be subscribed anew. */
  #joinLive(name: string, live: Position | undefined): void {
    const { positions, chain } = this.progress
    const isWanted = live !== undefined && this.request.last !== undefined
    if (isWanted || positions.of(name) !== undefined) {
      this.#unsubscribe(name)
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
    this.#unanswered.subscribe(id, { channel, position, last })
    this.#send(JSON.stringify({ type: 'subscribe', id, channel, position, last }))
  }

  #unsubscribe(channel: string): void {
    const id = ++this.#lastId
    this.#unanswered.unsubscribe(id, channel)
    this.#send(JSON.stringify({ type: 'unsubscribe', id, channel }))
  }

  #begin(frame: SubscribedFrame): void {
    const asked = this.#unanswered.answer(frame.id)
    const { channel, epoch, offset, recovered } = frame
    if (asked === undefined || asked === 'left') return
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
    if (this.#unanswered.isLeaving(pattern) || this.linkOf(frame) !== 'next') return
    if (offset !== undefined) this.progress.positions.publication(pattern, offset, time)
    this.take(frame)
  }

  /** Who takes the name away as it hears of this, or adds another, keeps the connection. */
  #endChannel(channel: string): void {
    if (this.#unanswered.isLeaving(channel)) return
    this.endChannel(channel)
    if (this.haveEnded([...this.#wanted, ...(this.#claimed ?? [])])) this.endAll()
  }

  #refuse({ id, code, message, channel: ended }: ErrorFrame): void {
    const asked = id === undefined ? undefined : this.#unanswered.answer(id)
    if (asked === 'left' || (ended !== undefined && this.#unanswered.isLeaving(ended))) return
    // What a new token no longer permits may be named, and subscribed by frame, when it does again.
    if (ended !== undefined) this.#claimed?.delete(ended)
    // A subscription that could not be made now is made by coming back, as a poll would.
    if (asked !== undefined && isPassing(code)) return this.end({ code, message, retryable: true })
    const channel = ended ?? asked?.channel
    this.emit({ type: 'problem', code, message, ...(channel !== undefined && { channel }) })
  }

  #send(text: string, shown: string = text): void {
    this.emit({ type: 'wire', direction: 'out', text: shown })
    this.#pacer.send(text)
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
