/** The load client's WebSocket: hand-written, so that it costs little beside the server. */
import type { Socket } from 'node:net'
import { Collected, openSocket, requestHead, type ConnectionOwner } from './connection.js'
import { readHead } from './http-head.js'
import type { Endpoint } from './target.js'
import { controlFrame, opcode, WebSocketReader } from './web-socket-reader.js'

/** Welcome, heartbeat and the like are shorter; a benchmark's publication is longer. */
export const publicationBytesMin = 190

const upgradeHeaders = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Protocol: tidegate.v1.json',
  '\r\n',
].join('\r\n')

/** Counts what comes. */
export function openWebSocket(
  endpoint: Endpoint,
  sub: string,
  serial: number,
  owner: ConnectionOwner,
): Socket {
  let isReady = false
  const ready = (): void => {
    isReady = true
    owner.ready()
  }
  const text: TextHandler = (bytes, start, end) => {
    if (!isReady) ready()
    else if (end - start >= publicationBytesMin) owner.publication(bytes, start, end)
  }
  const upgraded = (): void => {
    if (!endpoint.opensWithFrame) ready()
  }
  return openTexts(endpoint, sub, serial, owner, text, upgraded)
}

/** `start` and `end` bound a text frame's payload within `bytes`, valid only during the call. */
type TextHandler = (bytes: Buffer, start: number, end: number) => void

/** Hands over every text frame; what is thrown there ends the connection. */
export function openTexts(
  endpoint: Endpoint,
  sub: string,
  serial: number,
  owner: Pick<ConnectionOwner, 'ended'>,
  text: TextHandler,
  upgraded: () => void = () => {},
): Socket {
  const collected = new Collected()
  const reader = new WebSocketReader()
  let isUpgraded = false

  const frame = (code: number, bytes: Buffer, start: number, end: number): void => {
    if (code === opcode.text) {
      text(bytes, start, end)
    } else if (code === opcode.ping) {
      socket.write(controlFrame(opcode.pong, bytes.subarray(start, end)))
    } else if (code === opcode.close) {
      const reason = `${bytes.readUInt16BE(start)} ${bytes.toString('utf8', start + 2, end)}`
      throw new Error(`closed by the server: ${reason}`)
    }
  }

  const receive = (segment: Buffer): void => {
    if (isUpgraded) return reader.read(segment, frame)
    collected.add(segment)
    const head = readHead(collected.bytes)
    if (head === undefined) return
    if (head.status !== 101) throw new Error(`upgrade refused: ${collected.bytes.toString()}`)
    isUpgraded = true
    upgraded()
    const rest = collected.bytes.subarray(head.bytes)
    collected.clear()
    reader.read(rest, frame)
  }

  const socket = openSocket(endpoint, serial, receive, owner)
  const request = requestHead(endpoint, sub) + upgradeHeaders
  socket.on('connect', () => socket.write(request))
  return socket
}
