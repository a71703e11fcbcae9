/** Which channels a cursor covers; readers of the same channels share it. */
import type { Channel } from '../shared/channel.js'
import { channelHash, encodeCursor } from '../shared/cursor.js'
import type { Pattern } from '../shared/pattern.js'
import { idLine } from './event-text.js'

const encoder = new TextEncoder()

export class CursorScope {
  readonly names: readonly (Channel | Pattern)[]
  /** How many readers hold it; the last to leave ends it. */
  readers = 0
  readonly #node: string
  readonly #channels: readonly number[]
  #arrival = -1
  #cursor = ''
  #idLine: Uint8Array | undefined = undefined

  constructor(node: string, names: readonly (Channel | Pattern)[]) {
    this.#node = node
    this.names = names
    this.#channels = names.map(channelHash)
  }

  /** The cursor of a reader that has got everything up to `arrival`. */
  cursor(arrival: number): string {
    if (arrival !== this.#arrival) {
      this.#arrival = arrival
      this.#idLine = undefined
      this.#cursor = encodeCursor({
        ephemeral: { node: this.#node, arrival, channels: this.#channels },
      })
    }
    return this.#cursor
  }

  /** The same as the first line of an event, encoded once for all readers of the scope. */
  idLine(arrival: number): Uint8Array {
    const cursor = this.cursor(arrival)
    return (this.#idLine ??= encoder.encode(idLine(cursor)))
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
