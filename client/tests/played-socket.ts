/** A WebSocket whose other end a test plays, frame by frame, and a connection over it. */
import { decodeCursor } from '../../shared/cursor.js'
import { positionInCursor } from '../../shared/cursor-positions.js'
import type { ServerFrame } from '../../shared/frames.js'
import type { Position } from '../../shared/position.js'
import type { Connection, ConnectionEvent, ConnectionRequest } from '../transport.js'
import { WebSocketTransport, type Socket, type SocketClose } from '../websocket-transport.js'
import { FakeClock } from './fake-clock.js'
import { HeardEvents } from './heard-events.js'
import { until } from './until.js'

export const epoch = '5f0c3a9be214'

type Listener = (event: { readonly data: unknown }) => void

export class PlayedSocket implements Socket {
  readonly frames: Record<string, unknown>[] = []
  #onMessage: Listener = () => undefined

  addEventListener(type: 'message', listener: Listener): void
  addEventListener(type: 'close', listener: (event: SocketClose) => void): void
  addEventListener(type: 'error', listener: () => void): void
  addEventListener(type: string, listener: (event: never) => void): void {
    if (type === 'message') this.#onMessage = listener as Listener
  }

  send(text: string): void {
    this.frames.push(JSON.parse(text) as Record<string, unknown>)
  }

  close(): void {}

  say(frame: ServerFrame | ({ type: 'publication' } & Record<string, unknown>)): void {
    this.#onMessage({ data: JSON.stringify(frame) })
  }
}

export interface Played {
  readonly socket: PlayedSocket
  readonly heard: HeardEvents
  readonly connection: Connection
  /** With what the token claims: durable channels, live after offset 40. */
  readonly welcome: (claimed?: readonly string[]) => void
  /** A publication whose data is its offset. */
  readonly publish: (offset: number, previous: number, channel?: string) => void
  /** The data of what was heard. */
  readonly got: () => unknown[]
  /** What the cursor says of a channel. */
  readonly position: (channel?: string) => Position | undefined
}

/** Open, and not welcome yet. `react` is what an application does as it hears an event. */
export async function open(
  request: Partial<ConnectionRequest> = {},
  react: (event: ConnectionEvent) => void = () => undefined,
): Promise<Played> {
  const socket = new PlayedSocket()
  let isOpen = false
  const transport = new WebSocketTransport(new FakeClock(), () => {
    isOpen = true
    return socket
  })
  const heard = new HeardEvents()
  const given = { url: 'http://gateway', token: () => Promise.resolve('t'), channels: ['n.a'] }
  const connection = transport.open({ ...given, ...request }, (event) => {
    heard.take(event)
    react(event)
  })
  await until(() => isOpen)
  const welcome = (claimed: readonly string[] = []) => {
    const frame = { type: 'welcome', connection: 'c', node: 'n', expiresAt: 0 } as const
    const positions = Object.fromEntries(claimed.map((name) => [name, { epoch, offset: 40 }]))
    socket.say({ ...frame, heartbeatSeconds: 30, subscriptions: claimed, positions })
  }
  const publish = (offset: number, previous: number, channel = 'n.a') => {
    socket.say({ type: 'publication', channel, offset, previous, time: 1_000, data: offset })
  }
  const got = () => heard.of('publication').map(({ publication }) => publication.data)
  const position = (name = 'n.a') => {
    const cursor = decodeCursor(connection.cursor ?? '')
    return cursor && positionInCursor(cursor, name)
  }
  return { socket, heard, connection, welcome, publish, got, position }
}

export async function connect(
  request: Partial<ConnectionRequest> = {},
  claimed: readonly string[] = [],
): Promise<Played> {
  const opened = await open(request)
  opened.welcome(claimed)
  return opened
}
