/** A WebSocket under audit: keeps its positions itself, and shows them when it comes back. */
import { WebSocket } from 'ws'
import { isChannel } from '../shared/channel.js'
import type { Position } from '../shared/position.js'
import { AuditSubscriber, type GapBody, type PublicationBody } from './audit-subscriber.js'
import { KeptPositions, type VerifiedOffsets } from './kept-positions.js'

type Frame =
  | { readonly type: 'welcome' }
  | ({
      readonly type: 'subscribed'
      readonly channel: string
      readonly recovered?: boolean
    } & Position)
  | ({ readonly type: 'publication' } & PublicationBody)
  | ({ readonly type: 'gap' } & GapBody)
  | { readonly type: 'ended'; readonly channel: string }
  | { readonly type: 'heartbeat'; readonly verified?: VerifiedOffsets }
  | { readonly type: 'error'; readonly code: string; readonly message: string }

export class AuditWebSocket extends AuditSubscriber {
  readonly #positions = new KeptPositions()
  /** What it showed of each name on this connection, until that is answered. */
  readonly #shown = new Map<string, Position | undefined>()

  protected override connect(node: string, signal: AbortSignal): Promise<void> {
    const url = `${node.replace(/^http/, 'ws')}/v1/events`
    const socket = new WebSocket(url, ['tidegate.v1.json', `bearer.${this.options.token}`])
    signal.addEventListener('abort', () => socket.terminate())
    return new Promise((_, reject) => {
      socket.on('message', (bytes: Buffer) => {
        // What was under way when it left was not received.
        if (signal.aborted) return
        try {
          this.#take(socket, JSON.parse(bytes.toString()) as Frame)
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
          socket.terminate()
        }
      })
      socket.on('error', reject)
      socket.on('close', (code, reason) => reject(new Error(`${code} ${reason.toString()}`)))
    })
  }

  #take(socket: WebSocket, frame: Frame): void {
    switch (frame.type) {
      case 'welcome':
        return this.#subscribe(socket)
      case 'subscribed':
        return this.#subscribed(frame)
      case 'publication':
        this.recordPublication(frame)
        return this.#positions.publication(
          frame.pattern ?? frame.channel,
          frame.offset ?? 0,
          frame.time,
        )
      case 'gap':
        this.recordGap(frame)
        return this.#positions.gap(frame.channel, frame)
      case 'ended':
        return this.record({ type: 'ended', name: frame.channel })
      case 'heartbeat':
        return this.#positions.heartbeat(frame.verified ?? {})
      case 'error':
        throw new Error(`${frame.code}: ${frame.message}`)
    }
  }

  #subscribe(socket: WebSocket): void {
    this.#shown.clear()
    for (const [id, channel] of this.options.names.entries()) {
      const position = this.#positions.of(channel)
      this.#shown.set(channel, position)
      const { last } = this.options
      socket.send(JSON.stringify({ type: 'subscribe', id, channel, position, last }))
    }
  }

  #subscribed(frame: Frame & { readonly type: 'subscribed' }): void {
    const { channel: name, epoch, offset, time, verified, recovered } = frame
    const shown = this.#shown.get(name)
    const { last } = this.options
    this.#shown.delete(name)
    const live = {
      epoch,
      offset,
      ...(time === undefined ? {} : { time }),
      ...(verified === undefined ? {} : { verified }),
    }
    const isEmpty = isChannel(name) && time === undefined
    const isBehind = shown !== undefined || (last !== undefined && !isEmpty)
    this.#positions.subscribed(name, live, isBehind)
    this.connected()
    this.record({
      ...{ type: 'subscribed', name, epoch, offset },
      ...(shown === undefined ? {} : { shown }),
      ...(last === undefined ? {} : { last }),
      ...(recovered === undefined ? {} : { recovered }),
    })
  }
}
