/** One TCP connection of the load client, and what the transports over it tell their owner. */
import { connect, type Socket } from 'node:net'
import { mintToken } from './token.js'
import type { Endpoint } from './target.js'

/** Hears of one connection. `ended` comes last and once, also after `close`. */
export interface ConnectionOwner {
  ready(): void
  /** A frame that carries a publication; the bytes are valid only during the call. */
  publication(bytes: Buffer, start: number, end: number): void
  /** A poll was answered, and the next one sent. */
  answered(): void
  ended(reason: string): void
}

/** One buffer for all sockets: a read is handled before the next begins. */
const segmentBytes = 65_536
const segments = Buffer.allocUnsafe(segmentBytes)

/** So many source addresses that the ports of closed connections do not run out. */
const sourceAddresses = 200

/** `serial` counts the connections of this process. */
export function openSocket(
  endpoint: Endpoint,
  serial: number,
  receive: (segment: Buffer) => void,
  owner: Pick<ConnectionOwner, 'ended'>,
): Socket {
  let reason = 'closed by the server'
  const socket = connect({
    host: '127.0.0.1',
    port: endpoint.port,
    localAddress: `127.0.0.${2 + (serial % sourceAddresses)}`,
    noDelay: true,
    onread: {
      buffer: segments,
      callback: (length) => {
        try {
          receive(segments.subarray(0, length))
        } catch (error) {
          socket.destroy(error instanceof Error ? error : new Error('unreadable'))
        }
        return true
      },
    },
  })
  socket.on('error', (error) => (reason = error.message))
  socket.on('close', () => owner.ended(reason))
  return socket
}

/** The request that opens a connection, without the headers of its transport. */
export function requestHead(endpoint: Endpoint, sub: string): string {
  const head = `GET ${endpoint.path} HTTP/1.1\r\nHost: 127.0.0.1:${endpoint.port}\r\n`
  if (endpoint.secret === undefined) return head
  const token = mintToken(endpoint.secret, sub, endpoint.permissions)
  return `${head}Authorization: Bearer ${token}\r\n`
}

const noBytes = Buffer.alloc(0)

/** Collects the bytes of a response's head, or of a short response, over several segments. */
export class Collected {
  bytes: Buffer = noBytes

  add(segment: Buffer): void {
    this.bytes =
      this.bytes.length === 0 ? Buffer.from(segment) : Buffer.concat([this.bytes, segment])
  }

  clear(): void {
    this.bytes = noBytes
  }
}
