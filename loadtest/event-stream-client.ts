/** The load client's event stream (SSE): it only has to be open. */
import type { Socket } from 'node:net'
import { Collected, openSocket, requestHead, type ConnectionOwner } from './connection.js'
import { readHead } from './http-head.js'
import type { Endpoint } from './target.js'

export function openEventStream(
  endpoint: Endpoint,
  sub: string,
  serial: number,
  owner: ConnectionOwner,
): Socket {
  const collected = new Collected()
  let isReady = false

  const receive = (segment: Buffer): void => {
    if (isReady) return
    collected.add(segment)
    const head = readHead(collected.bytes)
    // The first event, not only the head: then the server has done all of its work.
    if (head === undefined || collected.bytes.length === head.bytes) return
    const text = collected.bytes.toString()
    if (head.status !== 200 || text.includes('event: problem')) {
      throw new Error(`event stream refused: ${text}`)
    }
    isReady = true
    collected.clear()
    owner.ready()
  }

  const socket = openSocket(endpoint, serial, receive, owner)
  const request = `${requestHead(endpoint, sub)}Accept: text/event-stream\r\n\r\n`
  socket.on('connect', () => socket.write(request))
  return socket
}
