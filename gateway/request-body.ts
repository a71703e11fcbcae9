/** Reads a request body: bounded in bytes and in time, whatever the client does. */
import type { HttpResponse } from 'uWebSockets.js'
import type { DueItem } from './due-wheel.js'
import { answerFault } from './fault.js'
import type { Node } from './node.js'
import type { Problem } from './problem.js'

const bodySecondsMax = 10
/** The engine ends a slow request 8 to 12 s after its head, unless it is paused and resumed. */
const nudgeMs = 4000

export interface BodyReader {
  done(body: Uint8Array): void
  /** The request is over: the connection is to be closed with the answer. */
  failed(problem: Problem): void
}

/**
 * Registers `onData` and `onAborted`; the route must not, before `done`. A client that
 * leaves while it sends is simply forgotten.
 */
export function readBody(node: Node, res: HttpResponse, reader: BodyReader): void {
  const request = new BodyRequest(node, res, reader)
  res.onAborted(() => request.forget())
  res.onData((chunk, isLast) => {
    try {
      request.receive(new Uint8Array(chunk), isLast)
    } catch (error) {
      answerFault(node, res, error)
    }
  })
}

/** A body that is not complete yet. */
interface PartialBody {
  readonly res: HttpResponse
  readonly reader: BodyReader
  readonly received: GrowingBytes
}

class BodyRequest implements DueItem {
  readonly #bytesMax: number
  readonly #deadline: number
  /** Undefined once it is complete or over: the wheel holds the request on for a while. */
  #partial: PartialBody | undefined

  constructor(node: Node, res: HttpResponse, reader: BodyReader) {
    const now = node.clock.now()
    this.#bytesMax = node.settings.frameBytesMax
    this.#deadline = now + bodySecondsMax * 1000
    this.#partial = { res, reader, received: new GrowingBytes() }
    node.wheel.add(this, now + nudgeMs)
  }

  /** The engine takes the chunk back when this returns. */
  receive(chunk: Uint8Array, isLast: boolean): void {
    if (this.#partial === undefined) return
    const { reader, received } = this.#partial
    if (received.length + chunk.length > this.#bytesMax) {
      const detail = `A request body has at most ${this.#bytesMax} bytes.`
      return this.#fail(reader, { code: 'too_large', detail })
    }
    received.append(chunk)
    if (!isLast) return
    this.forget()
    reader.done(received.bytes)
  }

  forget(): void {
    this.#partial = undefined
  }

  due(now: number): number | undefined {
    if (this.#partial === undefined) return undefined
    const { res, reader } = this.#partial
    if (now < this.#deadline) {
      res.pause()
      res.resume()
      return Math.min(now + nudgeMs, this.#deadline)
    }
    const detail = `The request body did not arrive within ${bodySecondsMax} seconds.`
    this.#fail(reader, { code: 'request_timeout', detail })
    return undefined
  }

  leave(): void {}

  #fail(reader: BodyReader, problem: Problem): void {
    this.forget()
    reader.failed(problem)
  }
}

/** Doubles when it is full: a body that comes byte by byte must not cost an object for each. */
class GrowingBytes {
  length = 0
  #room = new Uint8Array(0)

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.length)
  }

  append(chunk: Uint8Array): void {
    const length = this.length + chunk.length
    if (length > this.#room.length) {
      const room = new Uint8Array(Math.max(length, 2 * this.length))
      room.set(this.bytes)
      this.#room = room
    }
    this.#room.set(chunk, this.length)
    this.length = length
  }
}
