/** One event stream (SSE): what it is told of its channels, with a cursor after each event. */
import type { HttpResponse } from 'uWebSockets.js'
import type { Gap } from '../hub/gap.js'
import type { Publication } from '../hub/publication.js'
import type { Subscription } from '../hub/subscription.js'
import type { CatchingUp } from './catch-up-queue.js'
import type { CursorScope, CursorScopes } from './cursor-scope.js'
import type { DueItem } from './due-wheel.js'
import { DurableReading, isLast } from './durable-reading.js'
import { endWithoutContent, writeStreamHead } from './event-stream-head.js'
import { problemEvent } from './event-stream-refusal.js'
import { welcomeEvents } from './event-stream-welcome.js'
import { EventStreamWriter } from './event-stream-writer.js'
import { blankEvent, idLine, namedEvent, publicationLines, retryLine } from './event-text.js'
import type { EventsRequest } from './events-request.js'
import { guard } from './fault.js'
import type { Flushable } from './flush-queue.js'
import { HeldRequest } from './held-request.js'
import { busy, expiryOf, firstHeartbeatAt, type Node } from './node.js'
import type { Problem } from './problem.js'
import type { EarlyNews, Reader } from './reader.js'
import type { Resumption } from './resume.js'
import { toldGap, UntoldGaps } from './told-gap.js'

const encoder = new TextEncoder()

export class EventStream extends HeldRequest implements Reader, Flushable, CatchingUp, DueItem {
  /** Undefined once the head has been written. */
  #origin: string | undefined
  #early: EarlyNews[] | undefined = undefined
  readonly #writer: EventStreamWriter
  #isBehind = false
  /** What a stream that is behind must be told when it takes more again; undefined: nothing. */
  #untold: UntoldGaps | undefined = undefined
  #isTurnPlanned = false
  #heartbeatAt = 0

  constructor(
    node: Node,
    request: EventsRequest,
    scopes: CursorScopes,
    res: HttpResponse,
    origin: string,
  ) {
    super(node, request, scopes, res)
    this.#writer = new EventStreamWriter(node, res)
    this.#origin = origin
    res.onWritable(() => {
      guard(this.node, () => this.#writable())
      return true
    })
  }

  /** Behind: its durable channels wait in their history. */
  get canTake(): boolean {
    return !this.#isBehind
  }

  writeHead(): void {
    const { random } = this.node
    const origin = this.#origin
    if (this.res === undefined || origin === undefined) return
    this.#origin = undefined
    writeStreamHead(this.node, this.res, origin, encoder.encode(retryLine(random)))
  }

  /** The subscriptions are in effect: says so, then what was missed, then what came since. */
  begin(resumption: Resumption): void {
    const node = this.node
    const scope = this.scope
    if (scope === undefined) return
    if (resumption.ended.length === scope.names.length) return this.#nothingMore()
    this.writeHead()
    const early = this.#early ?? nothingEarly
    this.#early = undefined
    this.#writer.clear()
    this.hasBegun = true
    const reading = DurableReading.of(node.hub, this.subscriptions)
    this.reading = reading
    const welcome = welcomeEvents(node, this.identity, resumption, scope, reading)
    for (const event of welcome) this.#push(event)
    for (const publication of resumption.publications) this.#pushPublication(publication, scope)
    for (const { subscription, news } of early) {
      if ('reason' in news) this.#tell(news, subscription, '')
      else this.#pushPublication(news, scope)
    }
    this.#pushed()
    this.#heartbeatAt = firstHeartbeatAt(node)
    node.wheel.add(this, Math.min(this.#heartbeatAt, expiryOf(node, this.identity.expiresAt)))
    reading?.release()
  }

  deliver(publication: Publication, subscription: Subscription): boolean {
    const scope = this.scope
    if (scope === undefined) return true
    if (this.#isBehind) {
      if (publication.offset > 0) return false
      this.node.counters.deliveriesDropped.sse += 1
      this.#lose({ reason: 'slow_consumer' }, subscription)
      return false
    }
    this.node.counters.deliveries.sse += 1
    if (this.hasBegun) {
      this.reading?.goesOn(subscription)
      this.#pushPublication(publication, scope)
      this.#pushed()
    } else this.#keepEarly(publication, subscription)
    return true
  }

  gap(gap: Gap, subscription: Subscription): void {
    const scope = this.scope
    if (scope === undefined) return
    this.reading?.goesOn(subscription)
    if (this.#isBehind) return this.#lose(gap, subscription)
    this.node.counters.gap(gap.reason)
    if (!this.hasBegun) return this.#keepEarly(gap, subscription)
    const isDurable = subscription.interest.namespace !== undefined
    this.#tell(gap, subscription, isDurable ? this.#id(scope) : '')
    this.#pushed()
  }

  ended(subscription: Subscription): void {
    const scope = this.scope
    const reading = this.reading
    if (scope === undefined || reading === undefined) return
    reading.end(subscription)
    const { name } = subscription.interest
    // What was lost, the cursor must not say was got.
    const id = this.#untold === undefined ? this.#id(scope) : ''
    this.#enqueue(namedEvent('ended', JSON.stringify({ channel: name }), id))
  }

  /** In a turn of its own: here it may unsubscribe, and durable channels may go on. */
  goOn(): void {
    this.#isTurnPlanned = false
    // The flush that empties the queue takes another turn.
    if (this.res === undefined || !this.#writer.isIdle) return
    if (this.#isBehind) this.#goLive()
    if (this.#isOver && this.#writer.isIdle) this.#end(this.res)
  }

  flush(): void {
    if (this.res === undefined) return
    if (this.hasBegun) this.#writer.write()
    if (this.#writer.isFull) this.#isBehind = true
    else if (this.#writer.isIdle && (this.#isBehind || this.#isOver)) {
      // This may be within a fan-out, where a durable channel cannot be gone on with.
      if (this.reading === undefined) this.#goLive()
      else this.#goOnLater()
    }
  }

  due(now: number): number | undefined {
    const scope = this.scope
    if (scope === undefined) return undefined
    const expiresAt = expiryOf(this.node, this.identity.expiresAt)
    if (now >= expiresAt) {
      this.node.counters.expirations += 1
      this.fail({ code: 'token_expired', detail: 'The token has expired; bring a new one.' })
      return undefined
    }
    if (now >= this.#heartbeatAt) {
      this.#heartbeatAt = now + this.node.settings.heartbeatSeconds * 1000
      // Everything that arrived for its channels has been queued: the cursor may say so.
      if (!this.#isBehind) {
        const { arrival } = this.node.hub
        this.#enqueue(blankEvent(scope.cursor(arrival, this.reading)))
      }
    }
    return Math.min(this.#heartbeatAt, expiresAt)
  }

  leave(): void {
    this.fail(busy(this.node, 'draining', 'This node is leaving; come back.'))
  }

  /** Says why, and ends. Never from `deliver`. */
  fail(problem: Problem): void {
    const res = this.res
    if (res === undefined) return
    this.node.counters.refuse(problem.code)
    if (!this.hasBegun) this.#writer.clear()
    this.writeHead()
    this.hasBegun = true
    // What was dropped, the client will ask for when it comes back with its cursor.
    this.#untold = undefined
    this.#enqueue(problemEvent(this.node, problem))
    this.flush()
    // A stream that does not take its last bytes now has shown for long that it takes none.
    if (!this.#writer.isEmpty) res.close()
    else this.#end(res)
  }

  protected override get countsAs(): 'sse' {
    return 'sse'
  }

  protected forget(): void {
    this.#untold = undefined
    this.#early = undefined
    this.#writer.close()
  }

  #enqueue(event: Uint8Array): void {
    this.#push(event)
    this.#pushed()
  }

  /** Of an ephemeral channel: a durable one is silent until it is released. */
  #keepEarly(news: Publication | Gap, subscription: Subscription): void {
    this.#early ??= []
    this.#early.push({ subscription, news })
    const bytes = 'reason' in news ? 0 : publicationLines(news).length
    this.#writer.hold(bytes)
    if (this.#writer.isFull) this.#isBehind = true
  }

  #tell(gap: Gap, subscription: Subscription, id: string): void {
    this.#push(namedEvent('gap', JSON.stringify(toldGap(subscription, gap)), id))
  }

  #id(scope: CursorScope): string {
    return idLine(scope.cursor(this.node.hub.arrival, this.reading))
  }

  #pushPublication(publication: Publication, scope: CursorScope): void {
    const { arrival, offset } = publication
    // Whoever is cut off between the last one and `ended` must get both again.
    if (!isLast(publication)) {
      this.#push(scope.idLine(offset === 0 ? arrival : this.node.hub.arrival, this.reading))
    }
    this.#push(publicationLines(publication))
  }

  #push(bytes: Uint8Array): void {
    if (this.#writer.isEmpty) this.node.flushQueue.add(this)
    this.#writer.push(bytes)
  }

  /** Only after whole events: it may tell of a gap. */
  #pushed(): void {
    if (this.#writer.isFull) this.flush()
    this.node.flushQueue.countFrame()
  }

  #writable(): void {
    if (this.res === undefined) return
    this.#writer.unblock()
    this.flush()
  }

  /** All of its channels have ended, and said so. */
  get #isOver(): boolean {
    return this.reading?.haveEnded(this.subscriptions.length) === true
  }

  #goOnLater(): void {
    if (this.#isTurnPlanned) return
    this.#isTurnPlanned = true
    this.node.catchUpQueue.add(this)
  }

  #goLive(): void {
    const scope = this.scope
    if (scope === undefined) return
    this.#isBehind = false
    const untold = this.#untold?.all ?? nothingLost
    this.#untold = undefined
    for (const [at, [subscription, gap]] of untold.entries()) {
      this.node.counters.gap(gap.reason)
      // As in the welcome: the cursor moves on with the last of them.
      const isDurable = this.reading !== undefined
      const isLastGap = at === untold.length - 1
      this.#tell(gap, subscription, isDurable && isLastGap ? this.#id(scope) : '')
      this.#pushed()
    }
    this.reading?.drained()
  }

  /** One gap for each subscription, whatever is lost. */
  #lose(gap: Gap, subscription: Subscription): void {
    this.#untold ??= new UntoldGaps()
    this.#untold.add(subscription, gap)
  }

  /** Every channel of its cursor has ended, and everything was got. */
  #nothingMore(): void {
    const res = this.res
    if (res === undefined || this.#origin === undefined) return
    endWithoutContent(this.node, res, this.#origin)
    this.closed()
  }

  #end(res: HttpResponse): void {
    res.cork(() => res.end())
    this.closed()
  }
}

const nothingLost: UntoldGaps['all'] = []
const nothingEarly: readonly EarlyNews[] = []
