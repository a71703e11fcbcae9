/** One event stream (SSE): a bounded queue of its own, as the engine has none to look at. */
import type { HttpResponse } from 'uWebSockets.js'
import type { GapReason } from '../shared/codes.js'
import type { Publication } from '../hub/publication.js'
import type { Subscription } from '../hub/subscription.js'
import type { CursorScope, CursorScopes } from './cursor-scope.js'
import type { DueItem } from './due-wheel.js'
import { blankEvent, idLine, namedEvent, publicationLines, retryLine } from './event-text.js'
import type { EventsRequest } from './events-request.js'
import { guard } from './fault.js'
import type { Flushable } from './flush-queue.js'
import type { Identity } from './identity.js'
import { busy, expiryOf, firstHeartbeatAt, nextConnectionId, type Node } from './node.js'
import { problemJson, type Problem } from './problem.js'
import { unsubscribeAll, type Reader } from './reader.js'
import type { Resumption } from './resume.js'

/** Of one write: what is corked together must stay under the engine's 16 KB, framing included. */
const writeBytesMax = 15_000
/** The engine ends a stream 10 s after a failed write unless it is paused and resumed in time. */
const nudgeMs = 4000
/** So many heartbeat intervals without progress end a stream. */
const stalledBeatsMax = 2

export class EventStream implements Reader, Flushable, DueItem {
  readonly #node: Node
  readonly #identity: Identity
  readonly #scopes: CursorScopes
  /** Undefined once it is closed. */
  #res: HttpResponse | undefined
  #subscriptions: readonly Subscription[] = []
  /** Given back, and let go of, when the stream closes. */
  #scope: CursorScope | undefined
  /** Pieces of a stream of bytes: an event may be several. */
  #queue: Uint8Array[] = nothingQueued
  #queuedBytes = 0
  #hasBegun = false
  /** Since when the engine has had bytes that did not leave; 0: it has none. */
  #blockedAt = 0
  /** A visit of `nudge` is planned: one at a time, however often the stream blocks. */
  #isNudged = false
  #isBehind = false
  /** What a stream that is behind must be told when it is live again; undefined: nothing. */
  #lossy: Map<Subscription, GapReason> | undefined = undefined
  #heartbeatAt = 0

  constructor(
    node: Node,
    { identity, names }: EventsRequest,
    scopes: CursorScopes,
    res: HttpResponse,
  ) {
    this.#node = node
    this.#identity = identity
    this.#scopes = scopes
    this.#scope = scopes.hold(names)
    this.#res = res
    node.counters.connections.sse += 1
    res.onAborted(() => guard(this.#node, () => this.#closed()))
    res.onWritable(() => {
      guard(this.#node, () => this.#writable())
      return true
    })
  }

  get isOpen(): boolean {
    return this.#res !== undefined
  }

  get isWaiting(): boolean {
    return this.#res !== undefined && !this.#hasBegun
  }

  /** Called in the turn of the request; what arrives from now on waits until `begin`. */
  subscribed(subscriptions: readonly Subscription[]): void {
    this.#subscriptions = subscriptions
    this.#node.counters.subscriptions += subscriptions.length
  }

  /** The subscriptions are in effect: says so, then what was missed, then what came since. */
  begin({ publications, gaps, position }: Resumption): void {
    const node = this.#node
    const scope = this.#scope
    if (scope === undefined) return
    const arrived = this.#queue
    this.#clear()
    this.#hasBegun = true
    const welcome = {
      connection: nextConnectionId(node),
      node: node.id,
      expiresAt: this.#identity.expiresAt,
      heartbeatSeconds: node.settings.heartbeatSeconds,
      subscriptions: scope.names,
    }
    // A client that is cut off between welcome and a gap must hear of the gap again: its cursor
    // moves on only with the last of them.
    const id = idLine(scope.cursor(position))
    this.#push(namedEvent('welcome', JSON.stringify(welcome), gaps.length === 0 ? id : ''))
    for (const [at, gap] of gaps.entries()) {
      this.#push(namedEvent('gap', JSON.stringify(gap), at === gaps.length - 1 ? id : ''))
    }
    for (const publication of publications) this.#pushPublication(publication, scope)
    for (const bytes of arrived) this.#push(bytes)
    this.#pushed()
    this.#heartbeatAt = firstHeartbeatAt(node)
    node.wheel.add(this, Math.min(this.#heartbeatAt, expiryOf(node, this.#identity.expiresAt)))
  }

  deliver(publication: Publication, subscription: Subscription): void {
    const scope = this.#scope
    if (scope === undefined) return
    if (this.#isBehind) {
      this.#node.counters.deliveriesDropped.sse += 1
      this.#lose(subscription, 'slow_consumer')
      return
    }
    this.#node.counters.deliveries.sse += 1
    this.#pushPublication(publication, scope)
    this.#pushed()
  }

  gap(reason: GapReason, subscription: Subscription): void {
    if (this.#isBehind) return this.#lose(subscription, reason)
    this.#node.counters.gap(reason)
    const gap = { channel: subscription.interest.name, reason }
    this.#enqueue(namedEvent('gap', JSON.stringify(gap)))
  }

  flush(): void {
    const res = this.#res
    if (res === undefined) return
    if (this.#hasBegun) this.#write(res)
    if (this.#queuedBytes > this.#node.outbox.highBytes) this.#isBehind = true
    else if (this.#isBehind && this.#queue.length === 0 && this.#blockedAt === 0) this.#goLive()
  }

  due(now: number): number | undefined {
    const scope = this.#scope
    if (scope === undefined) return undefined
    const expiresAt = expiryOf(this.#node, this.#identity.expiresAt)
    if (now >= expiresAt) {
      this.#node.counters.expirations += 1
      this.fail({ code: 'token_expired', detail: 'The token has expired; bring a new one.' })
      return undefined
    }
    if (now >= this.#heartbeatAt) {
      this.#heartbeatAt = now + this.#node.settings.heartbeatSeconds * 1000
      // Everything that arrived for its channels has been queued: the cursor may say so.
      if (!this.#isBehind) this.#enqueue(blankEvent(scope.cursor(this.#node.hub.arrival)))
    }
    return Math.min(this.#heartbeatAt, expiresAt)
  }

  leave(): void {
    this.fail(busy(this.#node, 'draining', 'This node is leaving; come back.'))
  }

  /** Says why, and ends. Never from `deliver`. */
  fail(problem: Problem): void {
    const res = this.#res
    if (res === undefined) return
    this.#node.counters.refuse(problem.code)
    if (!this.#hasBegun) this.#clear()
    this.#hasBegun = true
    // What was dropped, the client will ask for when it comes back with its cursor.
    this.#lossy = undefined
    this.#enqueue(namedEvent('problem', problemJson(problem), retryLine(this.#node.random)))
    this.flush()
    // A stream that does not take its last bytes now has shown for long that it takes none.
    if (this.#queue.length > 0) res.close()
    else {
      res.cork(() => res.end())
      this.#closed()
    }
  }

  abort(): void {
    const res = this.#res
    this.#closed()
    res?.close()
  }

  /** Keeps the engine from ending a stalled stream too soon; ends one that stalls for too long. */
  nudge(now: number): number | undefined {
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

  #enqueue(event: Uint8Array): void {
    this.#push(event)
    this.#pushed()
  }

  #pushPublication(publication: Publication, scope: CursorScope): void {
    this.#push(scope.idLine(publication.arrival))
    this.#push(publicationLines(publication))
  }

  #push(bytes: Uint8Array): void {
    if (this.#queue.length === 0) {
      this.#queue = [bytes]
      this.#node.flushQueue.add(this)
    } else this.#queue.push(bytes)
    this.#hold(this.#queuedBytes + bytes.length)
  }

  /** The node's total is right at any moment, or a burst would fill the memory before it counts. */
  #hold(bytes: number): void {
    this.#queuedBytes = this.#node.outbox.adjust(this.#queuedBytes, bytes)
  }

  /** Only after whole events: it may tell of a gap. */
  #pushed(): void {
    if (this.#queuedBytes > this.#node.outbox.highBytes) this.flush()
    this.#node.flushQueue.countFrame()
  }

  #clear(): void {
    this.#queue = nothingQueued
    this.#hold(0)
  }

  #write(res: HttpResponse): void {
    while (this.#queue.length > 0 && this.#blockedAt === 0) {
      const chunk = this.#take()
      res.cork(() => {
        if (!res.write(chunk)) this.#block()
      })
    }
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
    this.#hold(this.#queuedBytes - length)
    return Buffer.concat(taken, length)
  }

  #block(): void {
    const now = this.#node.clock.now()
    this.#blockedAt = now
    if (this.#isNudged) return
    this.#isNudged = true
    this.#node.wheel.add({ due: (at) => this.nudge(at), leave: () => {} }, now + nudgeMs)
  }

  /** The engine pushes its own leftover out only with a non-empty write from in here. */
  #writable(): void {
    if (this.#res === undefined) return
    this.#blockedAt = 0
    if (this.#queue.length === 0) this.#enqueue(comment)
    this.flush()
  }

  #goLive(): void {
    this.#isBehind = false
    const lossy = this.#lossy ?? nothingLost
    this.#lossy = undefined
    for (const [subscription, reason] of lossy) this.gap(reason, subscription)
  }

  /** One gap for each subscription, whatever is lost; publications that were dropped come first. */
  #lose(subscription: Subscription, reason: GapReason): void {
    this.#lossy ??= new Map()
    if (this.#lossy.get(subscription) === 'slow_consumer') return
    this.#lossy.set(subscription, reason)
  }

  #closed(): void {
    if (this.#res === undefined) return
    this.#res = undefined
    this.#lossy = undefined
    this.#clear()
    this.#node.counters.connections.sse -= 1
    this.#node.counters.subscriptions -= this.#subscriptions.length
    unsubscribeAll(this.#node, this.#subscriptions)
    this.#subscriptions = []
    if (this.#scope !== undefined) this.#scopes.release(this.#scope)
    this.#scope = undefined
  }
}

const nothingQueued: Uint8Array[] = []
const nothingLost: ReadonlyMap<Subscription, GapReason> = new Map()
const comment = new TextEncoder().encode(':\n\n')
