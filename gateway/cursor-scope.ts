/** Which channels a cursor covers; readers of the same channels share it, and encoded events. */
import type { Channel } from '../shared/channel.js'
import { channelHash, encodeCursor } from '../shared/cursor.js'
import { eventStreamData } from '../shared/event-stream.js'
import type { Pattern } from '../shared/pattern.js'
import { publicationJsonWithoutType } from '../shared/publication-json.js'
import type { Publication } from '../hub/publication.js'
import { publicationJson } from './wire-format.js'

const encoder = new TextEncoder()

export class CursorScope {
  readonly names: readonly (Channel | Pattern)[]
  /** How many readers hold it; the last to leave ends it. */
  readers = 0
  readonly #node: string
  readonly #channels: readonly number[]
  #arrival = -1
  #cursor = ''
  #publication: Publication | undefined = undefined
  #event: Uint8Array = new Uint8Array()

  constructor(node: string, names: readonly (Channel | Pattern)[]) {
    this.#node = node
    this.names = names
    this.#channels = names.map(channelHash)
  }

  /** The cursor of a reader that has got everything up to `arrival`. */
  cursor(arrival: number): string {
    if (arrival !== this.#arrival) {
      this.#arrival = arrival
      this.#cursor = encodeCursor({
        ephemeral: { node: this.#node, arrival, channels: this.#channels },
      })
    }
    return this.#cursor
  }

  /** The publication as an event with its cursor, encoded once for all readers of the scope. */
  event(publication: Publication): Uint8Array {
    if (publication !== this.#publication) {
      const head = encoder.encode(`id: ${this.cursor(publication.arrival)}\n`)
      const data = eventStreamData(publicationJsonWithoutType(publicationJson(publication)))
      const event = new Uint8Array(head.length + data.length + 1)
      event.set(head)
      event.set(data, head.length)
      event[event.length - 1] = 0x0a
      this.#publication = publication
      this.#event = event
    }
    return this.#event
  }
}

export class CursorScopes {
  readonly #node: string
  readonly #scopes = new Map<string, CursorScope>()

  constructor(node: string) {
    this.#node = node
  }

  /** Bounded by the readers: each holds one, and gives it back with `release`. */
  hold(names: readonly (Channel | Pattern)[]): CursorScope {
    const sorted = [...names].sort()
    const key = sorted.join(',')
    let scope = this.#scopes.get(key)
    if (scope === undefined) {
      scope = new CursorScope(this.#node, sorted)
      this.#scopes.set(key, scope)
    }
    scope.readers += 1
    return scope
  }

  release(scope: CursorScope): void {
    scope.readers -= 1
    if (scope.readers === 0) this.#scopes.delete(scope.names.join(','))
  }
}
