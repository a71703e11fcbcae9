/** The load client's poll: sends the next request as soon as one was answered, with its cursor. */
import type { Socket } from 'node:net'
import { Collected, openSocket, requestHead, type ConnectionOwner } from './connection.js'
import { readHead } from './http-head.js'
import type { Endpoint } from './target.js'

const cursorMember = /"cursor":"([^"]+)"/

export function openPoll(
  endpoint: Endpoint,
  sub: string,
  serial: number,
  owner: ConnectionOwner,
): Socket {
  const collected = new Collected()
  const [requestLine, ...headers] = requestHead(endpoint, sub).split('\r\n')
  const [method, path, version] = (requestLine as string).split(' ')
  const rest = `${version}\r\n${headers.join('\r\n')}Accept: application/json\r\n\r\n`

  const ask = (cursor: string | undefined): void => {
    const suffix = cursor === undefined ? '' : `&cursor=${cursor}`
    socket.write(`${method} ${path}${suffix} ${rest}`)
  }

  const receive = (segment: Buffer): void => {
    collected.add(segment)
    const head = readHead(collected.bytes)
    if (head === undefined) return
    if (head.contentLength === undefined) throw new Error('a poll answered without Content-Length')
    if (collected.bytes.length < head.bytes + head.contentLength) return
    const body = collected.bytes.toString('utf8', head.bytes)
    if (head.status !== 200) throw new Error(`poll refused: ${head.status} ${body}`)
    collected.clear()
    owner.answered()
    ask(cursorMember.exec(body)?.[1])
  }

  const socket = openSocket(endpoint, serial, receive, owner)
  socket.on('connect', () => {
    ask(undefined)
    owner.ready()
  })
  return socket
}
