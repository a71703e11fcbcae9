/** Which channels a cursor covers; readers of the same channels share it. */
import type { Channel } from '../shared/channel.js'
import { channelHash, encodeCursor, type Cursor } from '../shared/cursor.js'
import { cursorOf } from '../shared/cursor-positions.js'
import type { Pattern } from '../shared/pattern.js'
import { onItsOwn, type DurableReading } from './durable-reading.js'
import { idLine } from './event-text.js'

const encoder = new TextEncoder()

export class CursorScope {
  readonly names: readonly (Channel | Pattern)[]
  /** How many readers hold it; the last to leave ends it. */
  readers = 0
  readonly #node: string
  /** Of the ephemeral ones among the names. */
  readonly #hashes: readonly number[]
  #arrival = -1
  #version = -1
  #place: number = onItsOwn
  #cursor = ''
  #idLine: Uint8Array | undefined = undefined

  constructor(
    node: string,
    names: readonly (Channel | Pattern)[],
    isDurable: (name: Channel | Pattern) => boolean,
  ) {
    this.#node = node
    this.names = names
    this.#hashes = names.filter((name) => !isDurable(name)).map(channelHash)
  }

  /**
   * The cursor of a reader that has got everything up to `arrival`, and of its durable channels
   * what its reading says. Encoded once for all who are live.
   */
  cursor(arrival: number, reading: DurableReading | undefined): string {
    const place = reading === undefined ? 0 : reading.place
    if (place === onItsOwn) return this.#encode(arrival, reading)
    const version = reading === undefined ? 0 : reading.version
    const isSame =
      place === this.#place &&
      version === this.#version &&
      (arrival === this.#arrival || this.#hashes.length === 0)
    if (isSame) return this.#cursor
    this.#arrival = arrival
    this.#version = version
    this.#place = place
    this.#idLine = undefined
    this.#cursor = this.#encode(arrival, reading)
    return this.#cursor
  }

  /** The same as the first line of an event. */
  idLine(arrival: number, reading: DurableReading | undefined): Uint8Array {
    const cursor = this.cursor(arrival, reading)
    if (cursor !== this.#cursor) return encoder.encode(idLine(cursor))
    return (this.#idLine ??= encoder.encode(idLine(cursor)))
  }

  #encode(arrival: number, reading: DurableReading | undefined): string {
    const channels = this.#hashes
    const ephemeral = { node: this.#node, arrival, channels }
    let cursor: Cursor = { ephemeral }
    if (reading !== undefined) {
      cursor = cursorOf(reading.positions, channels.length === 0 ? undefined : ephemeral)
    }
    return encodeCursor(cursor)
  }
}

export class CursorScopes {
  readonly #node: string
  readonly #isDurable: (name: Channel | Pattern) => boolean
  readonly #scopes = new Map<string, CursorScope>()

  constructor(node: string, isDurable: (name: Channel | Pattern) => boolean) {
    this.#node = node
    this.#isDurable = isDurable
  }

  /** Bounded by the readers: each holds one, and gives it back with `release`. */
  hold(names: readonly (Channel | Pattern)[]): CursorScope {
    const sorted = [...names].sort()
    const key = sorted.join(',')
    let scope = this.#scopes.get(key)
    if (scope === undefined) {
      scope = new CursorScope(this.#node, sorted, this.#isDurable)
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
