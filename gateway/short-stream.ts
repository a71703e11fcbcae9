/** One short stream: a poll whose answer has the form of an event stream (PROTOCOL 6.10). */
import type { HttpResponse } from 'uWebSockets.js'
import type { Gap } from '../hub/gap.js'
import type { Publication } from '../hub/publication.js'
import type { Subscription } from '../hub/subscription.js'
import { answerBytesMax, hasRoom } from './answer-room.js'
import type { CursorScope, CursorScopes } from './cursor-scope.js'
import type { DueItem } from './due-wheel.js'
import { DurableReading, isLast } from './durable-reading.js'
import { endWithoutContent, writeStreamHeaders } from './event-stream-head.js'
import { problemEvent, refuseStream } from './event-stream-refusal.js'
import { welcomeEvents } from './event-stream-welcome.js'
import { blankEvent, idLine, namedEvent, publicationLines, retryLine } from './event-text.js'
import type { EventsRequest } from './events-request.js'
import { HeldPoll } from './held-poll.js'
import { expiryOf, firstHeartbeatAt, largeAnswerBytes, type Node } from './node.js'
import type { Problem } from './problem.js'
import type { EarlyNews, Reader } from './reader.js'
import type { Resumption } from './resume.js'
import { toldGap } from './told-gap.js'

const encoder = new TextEncoder()
/** Of one write after the head: what is corked must stay under the engine's 16 KB. */
const writeBytesMax = 15_000

export class ShortStream extends HeldPoll implements Reader, DueItem {
  /** Undefined once the head has been written. */
  #origin: string | undefined
  /** It has said something after the welcome: it ends with this tick. */
  #hasNews = false
  #early: EarlyNews[] | undefined = undefined
  /** Durable channels whose end an earlier stream told: no reason to end this one. */
  #endsKnown: readonly string[] = []
  /** What has not been written yet. */
  #pieces: Uint8Array[] = []
  /** Of the publications and their cursors. */
  #bytes = 0
  /** Something found no room: it and all that comes is for the next stream. */
  #isFull = false
  /** The arrival up to which its ephemeral channels are in it; undefined: all that came. */
  #arrivalMax: number | undefined = undefined
  #heartbeatAt = 0

  /** `deadline` is not after the expiry of the token. */
  constructor(
    node: Node,
    request: EventsRequest,
    scopes: CursorScopes,
    res: HttpResponse,
    origin: string,
    deadline: number,
  ) {
    super(node, request, scopes, res, deadline)
    this.#origin = origin
  }

  /** As a poll: a history that finds no room waits for the next stream. */
  get canTake(): boolean {
    return !this.#isFull && hasRoom(this.node, this.#bytes)
  }

  /** The subscriptions are in effect: ends now if there is anything to say, else waits. */
  begin(resumption: Resumption): void {
    const node = this.node
    const scope = this.scope
    if (scope === undefined) return
    if (resumption.ended.length === scope.names.length) return this.#nothingMore()
    const early = this.#early ?? []
    this.#early = undefined
    this.hasBegun = true
    this.#endsKnown = resumption.ended
    this.#hasNews = resumption.gaps.length > 0
    const reading = DurableReading.of(node.hub, this.subscriptions)
    this.reading = reading
    this.#pieces.push(encoder.encode(retryLine(node.random)))
    this.#pieces.push(...welcomeEvents(node, this.identity, resumption, scope, reading))
    // It looks itself at what there is: nothing need be queued.
    this.isQueued = true
    for (const publication of resumption.publications) this.#take(publication, scope)
    for (const { subscription, news } of early) {
      if ('reason' in news) this.#tell(news, subscription, scope)
      else this.#take(news, scope)
    }
    reading?.release()
    this.isQueued = false
    if (this.#hasNews || node.clock.now() >= this.deadline) return this.answer()
    this.#write()
    this.#heartbeatAt = firstHeartbeatAt(node)
    node.wheel.add(this, Math.min(this.#heartbeatAt, this.deadline))
  }

  deliver(publication: Publication, subscription: Subscription): boolean {
    const scope = this.scope
    if (scope === undefined) return true
    if (publication.offset > 0 && !this.canTake) {
      this.#isFull = true
      return false
    }
    if (this.hasBegun) this.#take(publication, scope)
    else this.#keepEarly(publication, subscription)
    return true
  }

  gap(gap: Gap, subscription: Subscription): void {
    const scope = this.scope
    if (scope === undefined) return
    this.node.counters.gap(gap.reason)
    if (this.hasBegun) this.#tell(gap, subscription, scope)
    else this.#keepEarly(gap, subscription)
  }

  ended(subscription: Subscription): void {
    const scope = this.scope
    if (scope === undefined) return
    const { name } = subscription.interest
    this.#pieces.push(namedEvent('ended', JSON.stringify({ channel: name }), this.#id(scope)))
    if (!this.#endsKnown.includes(name)) this.#said()
  }

  due(now: number): number | undefined {
    const scope = this.scope
    if (scope === undefined) return undefined
    if (now >= this.deadline) {
      // In its turn: thousands that came together end their wait together.
      this.queue()
      return undefined
    }
    // What is queued leaves with this tick.
    if (now >= this.#heartbeatAt && !this.isQueued) {
      this.#heartbeatAt = now + this.node.settings.heartbeatSeconds * 1000
      this.#pieces.push(blankEvent(this.#cursor(scope)))
      this.#write()
    }
    return Math.min(this.#heartbeatAt, this.deadline)
  }

  /** Only before it has begun. */
  fail(problem: Problem): void {
    const res = this.res
    const origin = this.#origin
    if (res === undefined || origin === undefined) return
    refuseStream(this.node, res, origin, problem)
    this.closed()
  }

  protected forget(): void {
    this.#early = undefined
    this.#pieces = []
  }

  /** Ephemeral, or there is room: `deliver` has looked. */
  #take(publication: Publication, scope: CursorScope): void {
    const { arrival, offset } = publication
    const lines = publicationLines(publication)
    const isEphemeral = offset === 0
    if (isEphemeral) {
      this.#isFull ||= this.#bytes > 0 && this.#bytes + lines.length > answerBytesMax
      if (this.#isFull) this.#arrivalMax ??= arrival - 1
      if (this.#isFull) return
    }
    this.node.counters.deliveries.poll += 1
    // Whoever is cut off between the last one and `ended` must get both again.
    if (!isLast(publication)) {
      const id = scope.idLine(isEphemeral ? arrival : this.node.hub.arrival, this.reading)
      this.#pieces.push(id)
      this.#bytes += id.length
    }
    this.#pieces.push(lines)
    this.#bytes += lines.length
    this.#said()
  }

  #tell(gap: Gap, subscription: Subscription, scope: CursorScope): void {
    const isDurable = subscription.interest.namespace !== undefined
    const id = isDurable ? this.#id(scope) : ''
    this.#pieces.push(namedEvent('gap', JSON.stringify(toldGap(subscription, gap)), id))
    this.#said()
  }

  /** Of an ephemeral channel: a durable one is silent until it is released. */
  #keepEarly(news: Publication | Gap, subscription: Subscription): void {
    this.#early ??= []
    this.#early.push({ subscription, news })
  }

  /**
   * Once it is full, the end alone has one: a channel whose publication was refused in this fan-out
   * is not where it seems to be.
   */
  #id(scope: CursorScope): string {
    return this.#isFull ? '' : idLine(this.#cursor(scope))
  }

  #cursor(scope: CursorScope): string {
    return scope.cursor(this.#arrivalMax ?? this.node.hub.arrival, this.reading)
  }

  #said(): void {
    this.#hasNews = true
    this.queue()
  }

  /** The last thing it says is where the next one goes on; a gap of an ephemeral channel is not. */
  protected answer(): void {
    const node = this.node
    const scope = this.scope
    if (scope === undefined) return
    this.#pieces.push(blankEvent(this.#cursor(scope)))
    if (node.clock.now() >= expiryOf(node, this.identity.expiresAt)) {
      const detail = 'The token has expired; bring a new one.'
      node.counters.expirations += 1
      node.counters.refuse('token_expired')
      this.#pieces.push(problemEvent(node, { code: 'token_expired', detail }))
    }
    this.#writeLast()
    this.closed()
  }

  /** While it waits: the welcome, or a heartbeat. */
  #write(): void {
    const res = this.res
    if (res === undefined) return
    const bytes = this.#taken()
    res.cork(() => {
      this.#writeHead(res)
      res.write(bytes)
    })
  }

  #writeLast(): void {
    const res = this.res
    if (res === undefined) return
    const bytes = this.#taken()
    if (bytes.length > largeAnswerBytes) this.node.largeAnswerAt = this.node.clock.now()
    let at = 0
    // An answer that has its length, as one has that says everything at once, may be of any size.
    if (this.#origin === undefined) {
      for (; at + writeBytesMax < bytes.length; at += writeBytesMax) {
        const part = bytes.subarray(at, at + writeBytesMax)
        res.cork(() => res.write(part))
      }
    }
    res.cork(() => {
      this.#writeHead(res)
      res.end(bytes.subarray(at))
    })
  }

  #writeHead(res: HttpResponse): void {
    if (this.#origin === undefined) return
    writeStreamHeaders(this.node, res, this.#origin)
    this.#origin = undefined
  }

  #taken(): Uint8Array {
    const bytes = Buffer.concat(this.#pieces)
    this.#pieces = []
    return bytes
  }

  /** Every channel of its cursor has ended, and everything was got. */
  #nothingMore(): void {
    const res = this.res
    if (res === undefined || this.#origin === undefined) return
    endWithoutContent(this.node, res, this.#origin)
    this.closed()
  }
}
