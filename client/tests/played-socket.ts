/** A WebSocket whose other end a test plays, frame by frame, and a connection over it. */
import type { ServerFrame } from '../../shared/frames.js'
import { Progress, type Place } from '../progress.js'
import type { Connection, ConnectionEvent, ConnectionRequest } from '../transport.js'
import { WebSocketTransport, type Socket, type SocketClose } from '../websocket-transport.js'
import { FakeClock } from './fake-clock.js'
import { HeardEvents } from './heard-events.js'
import { testGateway } from './test-gateway.js'
import { until } from './until.js'

export const epoch = '5f0c3a9be214'

type Listener<Event> = (event: Event) => void

export class PlayedSocket implements Socket {
  binaryType = ''
  readonly protocols: readonly string[]
  readonly frames: Record<string, unknown>[] = []
  #onMessage: Listener<{ readonly data: unknown }> = () => undefined
  #onClose: Listener<SocketClose> = () => undefined

  constructor(protocols: readonly string[]) {
    this.protocols = protocols
  }

  addEventListener(type: string, listener: Listener<never>): void {
    if (type === 'message') this.#onMessage = listener as Listener<unknown>
    if (type === 'close') this.#onClose = listener as Listener<unknown>
  }

  send(text: string): void {
    this.frames.push(JSON.parse(text) as Record<string, unknown>)
  }

  close(): void {}

  say(frame: ServerFrame | ({ type: 'publication' } & Record<string, unknown>)): void {
    this.#onMessage({ data: JSON.stringify(frame) })
  }

  lose(code: number, reason = ''): void {
    this.#onClose({ code, reason })
  }
}

/** What a test may give; the rest is made. */
export interface PlayedRequest extends Partial<Omit<ConnectionRequest, 'progress'>> {
  /** Where n.a goes on. */
  readonly place?: Place | undefined
  readonly progress?: Progress
  readonly clock?: FakeClock
}

export interface Played {
  readonly socket: PlayedSocket
  readonly heard: HeardEvents
  readonly connection: Connection
  readonly progress: Progress
  readonly clock: FakeClock
  /** As a session does it: of a name that is gone, nothing is remembered. */
  readonly update: (channels: readonly string[]) => boolean
  /** With what the token claims: durable channels, live after offset 40. */
  readonly welcome: (claimed?: readonly string[], more?: object) => void
  /** A publication whose data is its offset. */
  readonly publish: (offset: number, previous: number, channel?: string) => void
  /** The data of what was heard. */
  readonly got: () => unknown[]
  /** Where a channel goes on. */
  readonly place: (channel?: string) => Place | undefined
}

interface Shown {
  readonly shown?: Place
}

/** Open, and not welcome yet. `react` is what an application does as it hears an event. */
export async function open(
  given: PlayedRequest = {},
  react: (event: ConnectionEvent) => void = () => undefined,
): Promise<Played> {
  const { place: shown, progress = new Progress(), clock = new FakeClock(), ...request } = given
  if (shown !== undefined) progress.resume('n.a', shown)
  const sockets: PlayedSocket[] = []
  const transport = new WebSocketTransport((_url, protocols) => {
    const played = new PlayedSocket(protocols)
    sockets.push(played)
    return played
  })
  const heard = new HeardEvents()
  const gateway = testGateway('http://gateway', { clock })
  let { channels = ['n.a'] } = request
  const connection = transport.open({ gateway, progress, ...request, channels }, (event) => {
    heard.take(event)
    react(event)
  })
  const update = (wanted: readonly string[]) => {
    for (const name of channels) if (!wanted.includes(name)) progress.forget(name)
    channels = wanted
    return connection.update(wanted)
  }
  await until(() => sockets.length > 0)
  const [socket] = sockets as [PlayedSocket]
  const welcome = (claimed: readonly string[] = [], more: object = {}) => {
    const frame = { type: 'welcome', connection: 'c', node: 'n', expiresAt: 0 } as const
    const positions = Object.fromEntries(claimed.map((name) => [name, { epoch, offset: 40 }]))
    socket.say({ ...frame, heartbeatSeconds: 30, subscriptions: claimed, positions, ...more })
  }
  const publish = (offset: number, previous: number, channel = 'n.a') => {
    socket.say({ type: 'publication', channel, offset, previous, time: 1_000, data: offset })
  }
  const got = () => heard.of('publication').map(({ publication }) => publication.data)
  // As it would be shown: JSON leaves out what is undefined.
  const place = (name = 'n.a') => {
    const { shown } = JSON.parse(JSON.stringify({ shown: progress.place(name) })) as Shown
    return shown
  }
  const connected = { socket, heard, connection, progress, clock }
  return { ...connected, update, welcome, publish, got, place }
}

export async function connect(
  request: PlayedRequest = {},
  claimed: readonly string[] = [],
): Promise<Played> {
  const opened = await open(request)
  opened.welcome(claimed)
  return opened
}

/** Of a place that is a position. */
export function offsetOf(place: Place | undefined): number | undefined {
  return typeof place === 'object' ? place.offset : undefined
}
