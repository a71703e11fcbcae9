/** A WebSocket that subscribes many channels, and is ready when it has all of them. */
import type { Socket } from 'node:net'
import type { ConnectionOwner } from './connection.js'
import type { Endpoint } from './target.js'
import { openTexts, publicationBytesMin } from './web-socket-client.js'
import { textFrame } from './web-socket-reader.js'

const errorType = Buffer.from('"type":"error"')

export function openSubscribing(
  endpoint: Endpoint,
  sub: string,
  serial: number,
  channels: readonly string[],
  owner: ConnectionOwner,
): Socket {
  let isWelcome = false
  let subscribed = 0
  const text = (bytes: Buffer, start: number, end: number): void => {
    if (!isWelcome) {
      isWelcome = true
      for (const [id, channel] of channels.entries()) {
        socket.write(textFrame(JSON.stringify({ type: 'subscribe', id, channel })))
      }
    } else if (subscribed === channels.length) {
      if (end - start >= publicationBytesMin) owner.publication(bytes, start, end)
    } else {
      const frame = bytes.subarray(start, end)
      if (frame.includes(errorType)) throw new Error(`refused: ${frame.toString()}`)
      subscribed += 1
      if (subscribed === channels.length) owner.ready()
    }
  }
  const socket = openTexts(endpoint, sub, serial, owner, text)
  return socket
}
