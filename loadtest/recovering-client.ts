/** A WebSocket that comes back with a position, and checks that it gets exactly what it missed. */
import type { Socket } from 'node:net'
import type { ConnectionOwner } from './connection.js'
import { nowMicros } from './stamp.js'
import type { ChannelStart } from './stored-channels.js'
import type { Endpoint } from './target.js'
import { openTexts } from './web-socket-client.js'
import { textFrame } from './web-socket-reader.js'

export interface RecoveringOwner extends Omit<ConnectionOwner, 'answered'> {
  /** It has everything, so long after it asked. */
  recovered(waitedMicros: number): void
}

interface Frame {
  readonly type: string
  readonly channel?: string
  readonly offset?: number
  readonly recovered?: boolean
}

/** The position's epoch: that of the history which all of them read. */
export function openRecovering(
  endpoint: Endpoint,
  sub: string,
  serial: number,
  epoch: string,
  { channel, missed, ...known }: ChannelStart,
  owner: RecoveringOwner,
): Socket {
  const position = { epoch, ...known }
  let askedAt = 0
  let isSubscribed = false
  let got = 0

  const step = (): void => {
    if (isSubscribed && got === missed.length) owner.recovered(nowMicros() - askedAt)
  }

  const text = (bytes: Buffer, start: number, end: number): void => {
    const frame = JSON.parse(bytes.toString('utf8', start, end)) as Frame
    switch (frame.type) {
      case 'welcome':
        owner.ready()
        askedAt = nowMicros()
        socket.write(textFrame(JSON.stringify({ type: 'subscribe', id: 1, channel, position })))
        return
      case 'subscribed':
        if (frame.recovered !== true) throw new Error(`${channel} was not recovered`)
        isSubscribed = true
        return step()
      case 'publication':
        owner.publication(bytes, start, end)
        if (got === missed.length) return
        if (!isSubscribed || frame.channel !== channel || frame.offset !== missed[got]) {
          const wanted = `${channel} ${missed[got]}`
          throw new Error(`${wanted} was expected, not ${frame.channel} ${frame.offset}`)
        }
        got += 1
        return step()
      case 'heartbeat':
        return
      default:
        throw new Error(`not expected: ${JSON.stringify(frame)}`)
    }
  }

  const permitted = { ...endpoint, permissions: { subscribe: [channel] } }
  const socket = openTexts(permitted, sub, serial, owner, text)
  return socket
}
