/** Collects what a connection says, and waits for what it should say. */
import { EventEmitter, once } from 'node:events'
import type { ConnectionEvent } from '../transport.js'

type Heard<Type extends ConnectionEvent['type']> = Extract<ConnectionEvent, { type: Type }>

export class HeardEvents {
  readonly all: ConnectionEvent[] = []
  readonly #news = new EventEmitter()

  readonly take = (event: ConnectionEvent): void => {
    this.all.push(event)
    this.#news.emit('event')
  }

  of<Type extends ConnectionEvent['type']>(type: Type): Heard<Type>[] {
    return this.all.filter((event): event is Heard<Type> => event.type === type)
  }

  /** The event number `count` of this type, as soon as there is one. */
  async next<Type extends ConnectionEvent['type']>(type: Type, count = 1): Promise<Heard<Type>> {
    for (;;) {
      const event = this.of(type)[count - 1]
      if (event !== undefined) return event
      await once(this.#news, 'event', { signal: AbortSignal.timeout(5_000) })
    }
  }
}
