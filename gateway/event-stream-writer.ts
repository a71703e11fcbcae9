/** The bytes of one event stream: a queue, and what the engine takes of it at a time. */
import type { HttpResponse } from 'uWebSockets.js'
import type { Node } from './node.js'

/** Of one write: what is corked together must stay under the engine's 16 KB, framing included. */
const writeBytesMax = 15_000
/** The engine ends a stream 10 s after a failed write unless it is paused and resumed in time. */
const nudgeMs = 4000
/** So many heartbeat intervals without progress end a stream. */
const stalledBeatsMax = 2

export class EventStreamWriter {
  readonly #node: Node
  /** Undefined once it is closed. */
  #res: HttpResponse | undefined
  /** Pieces of a stream of bytes: an event may be several. */
  #queue: Uint8Array[] = nothingQueued
  #bytes = 0
  /** Since when the engine has had bytes that did not leave; 0: it has none. */
  #blockedAt = 0
  /** A visit of `nudge` is planned: one at a time, however often the stream blocks. */
  #isNudged = false

  constructor(node: Node, res: HttpResponse) {
    this.#node = node
    this.#res = res
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0
  }

  /** Nothing waits, neither here nor in the engine. */
  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#blockedAt === 0
  }

  /** More waits than a connection may hold back. */
  get isFull(): boolean {
    return this.#bytes > this.#node.outbox.highBytes
  }

  push(bytes: Uint8Array): void {
    if (this.#queue.length === 0) this.#queue = [bytes]
    else this.#queue.push(bytes)
    this.hold(bytes.length)
  }

  /**
   * Counts bytes that wait, here or with whoever asks. The node's total is right at any moment, or
   * a burst would fill the memory before it counts.
   */
  hold(bytes: number): void {
    this.#bytes = this.#node.outbox.adjust(this.#bytes, this.#bytes + bytes)
  }

  clear(): void {
    this.#queue = nothingQueued
    this.hold(-this.#bytes)
  }

  write(): void {
    const res = this.#res
    while (res !== undefined && this.#queue.length > 0 && this.#blockedAt === 0) {
      const chunk = this.#take()
      res.cork(() => {
        if (!res.write(chunk)) this.#block()
      })
    }
  }

  /** The engine pushes its own leftover out only with a non-empty write from in its callback. */
  unblock(): void {
    this.#blockedAt = 0
    if (this.#queue.length === 0) this.push(comment)
  }

  close(): void {
    this.#res = undefined
    this.clear()
  }

  /** The next bytes to write: whole pieces, and of the next one what still fits. */
  #take(): Uint8Array {
    const queue = this.#queue
    let count = 0
    let length = 0
    for (const { length: more } of queue) {
      if (length + more > writeBytesMax) break
      count += 1
      length += more
    }
    const taken = queue.slice(0, count)
    const next = queue[count]
    this.#queue = next === undefined ? nothingQueued : queue.slice(count)
    if (next !== undefined) {
      const room = writeBytesMax - length
      taken.push(next.subarray(0, room))
      this.#queue[0] = next.subarray(room)
      length = writeBytesMax
    }
    this.hold(-length)
    return Buffer.concat(taken, length)
  }

  #block(): void {
    const now = this.#node.clock.now()
    this.#blockedAt = now
    if (this.#isNudged) return
    this.#isNudged = true
    this.#node.wheel.add({ due: (at) => this.#nudge(at), leave: () => {} }, now + nudgeMs)
  }

  /** Keeps the engine from ending a stalled stream too soon; ends one that stalls for too long. */
  #nudge(now: number): number | undefined {
    const res = this.#res
    if (res === undefined || this.#blockedAt === 0) {
      this.#isNudged = false
      return undefined
    }
    const stalledMs = now - this.#blockedAt
    if (stalledMs > stalledBeatsMax * this.#node.settings.heartbeatSeconds * 1000) {
      this.#node.counters.refuse('slow_consumer')
      res.close()
      return undefined
    }
    res.pause()
    res.resume()
    return now + nudgeMs
  }
}

const nothingQueued: Uint8Array[] = []
const comment = new TextEncoder().encode(':\n\n')
