/** One long-poll: waits for publications of its channels, answers once, is gone (PROTOCOL 7). */
import type { HttpResponse } from 'uWebSockets.js'
import { publicationJsonWithoutType } from '../shared/publication-json.js'
import type { Gap } from '../hub/gap.js'
import type { Publication } from '../hub/publication.js'
import type { Subscription } from '../hub/subscription.js'
import { answerBytesMax, hasRoom } from './answer-room.js'
import type { CursorScope, CursorScopes } from './cursor-scope.js'
import type { DueItem } from './due-wheel.js'
import { DurableReading } from './durable-reading.js'
import { endWithoutContent } from './event-stream-head.js'
import type { EventsRequest } from './events-request.js'
import { guard } from './fault.js'
import type { Flushable } from './flush-queue.js'
import type { Identity } from './identity.js'
import { largeAnswerBytes, leavingProblem, type Node } from './node.js'
import { sendProblem, type Problem } from './problem.js'
import { unsubscribeAll, type Reader } from './reader.js'
import type { Resumption } from './resume.js'
import { toldGap, type ToldGap } from './told-gap.js'
import { publicationJson } from './wire-format.js'

export class PendingPoll implements Reader, Flushable, DueItem {
  readonly #node: Node
  readonly #identity: Identity
  readonly #scopes: CursorScopes
  readonly #origin: string
  /** When it is answered, news or not. */
  readonly #deadline: number
  /** Undefined once it has been answered, or its client has left. */
  #res: HttpResponse | undefined
  /** Given back, and let go of, when the poll closes. */
  #scope: CursorScope | undefined
  #hasBegun = false
  #isQueued = false
  #subscriptions: readonly Subscription[] = []
  /** Undefined: all of its channels are ephemeral, or it has not begun. */
  #reading: DurableReading | undefined = undefined
  #publications: Publication[] | undefined = undefined
  /** Of their JSON; counted only where it decides whether a history goes on. */
  #bytes = 0
  #gaps: ToldGap[] | undefined = undefined
  #recovered: Record<string, boolean> | undefined = undefined
  /** Durable channels whose end an earlier answer told. */
  #endsKnown: readonly string[] = nothingEnded

  constructor(
    node: Node,
    { identity, names }: EventsRequest,
    scopes: CursorScopes,
    res: HttpResponse,
    origin: string,
    deadline: number,
  ) {
    this.#node = node
    this.#identity = identity
    this.#scopes = scopes
    this.#scope = scopes.hold(names)
    this.#res = res
    this.#origin = origin
    this.#deadline = deadline
    node.counters.connections.poll += 1
    res.onAborted(() => guard(this.#node, () => this.#closed()))
  }

  get isOpen(): boolean {
    return this.#res !== undefined
  }

  get isWaiting(): boolean {
    return this.#res !== undefined && !this.#hasBegun
  }

  subscribed(subscriptions: readonly Subscription[]): void {
    this.#subscriptions = subscriptions
    this.#node.counters.subscriptions += subscriptions.length
  }

  /** An answer is full before its bytes are too many: a history waits for the next poll. */
  get canTake(): boolean {
    return hasRoom(this.#node, this.#bytes)
  }

  /** The subscriptions are in effect: answers now if there is anything to say, else waits. */
  begin({ publications, gaps, recovered, ended }: Resumption): void {
    const node = this.#node
    if (ended.length === this.#subscriptions.length) return this.#nothingMore()
    this.#recovered = recovered
    this.#endsKnown = ended
    if (publications.length > 0) {
      this.#publications = [...publications, ...(this.#publications ?? [])]
    }
    if (gaps.length > 0) this.#gaps = [...gaps, ...(this.#gaps ?? [])]
    const reading = DurableReading.of(node.hub, this.#subscriptions)
    if (reading !== undefined) this.#release(reading)
    this.#hasBegun = true
    if (this.#hasNews || node.clock.now() >= this.#deadline) this.#answer()
    else node.wheel.add(this, this.#deadline)
  }

  deliver(publication: Publication, subscription: Subscription): boolean {
    if (publication.offset > 0) {
      if (!this.canTake) return false
      this.#reading?.goesOn(subscription)
    }
    if (this.#reading !== undefined) this.#bytes += publicationJson(publication).length
    if (this.#publications === undefined) this.#publications = [publication]
    else this.#publications.push(publication)
    this.#queue()
    return true
  }

  gap(gap: Gap, subscription: Subscription): void {
    this.#node.counters.gap(gap.reason)
    this.#reading?.goesOn(subscription)
    const { name, namespace } = subscription.interest
    const recovered = this.#recovered
    if (namespace !== undefined && recovered?.[name] === true) recovered[name] = false
    this.#gaps ??= []
    this.#gaps.push(toldGap(subscription, gap))
    this.#queue()
  }

  ended(subscription: Subscription): void {
    this.#reading?.end(subscription)
    if (!this.#endsKnown.includes(subscription.interest.name)) this.#queue()
  }

  /** At the end of the tick, so that publications that arrive together leave together. */
  flush(): void {
    this.#isQueued = false
    if (this.#hasBegun) this.#answer()
  }

  /** In its turn: thousands that came together end their wait together. */
  due(): undefined {
    this.#queue()
    return undefined
  }

  leave(): void {
    if (this.#hasBegun) this.#answer()
    // It has no cursor to give yet: the client keeps the one that it came with.
    else this.fail(leavingProblem(this.#node))
  }

  fail(problem: Problem): void {
    const res = this.#res
    if (res === undefined) return
    this.#node.counters.refuse(problem.code)
    sendProblem(res, problem, () => this.#node.origins.writeHeaders(res, this.#origin))
    this.#closed()
  }

  abort(): void {
    const res = this.#res
    this.#closed()
    res?.close()
  }

  get #hasNews(): boolean {
    if (this.#publications !== undefined || this.#gaps !== undefined) return true
    return this.#reading?.ended.some((name) => !this.#endsKnown.includes(name)) === true
  }

  /** Collects what the history has, as far as it is here; `begin` looks at it itself. */
  #release(reading: DurableReading): void {
    this.#reading = reading
    for (const publication of this.#publications ?? []) {
      this.#bytes += publicationJson(publication).length
    }
    this.#isQueued = true
    reading.release()
    this.#isQueued = false
  }

  #queue(): void {
    if (this.#isQueued) return
    this.#isQueued = true
    this.#node.answerQueue.add(this)
  }

  #answer(): void {
    const res = this.#res
    const scope = this.#scope
    if (res === undefined || scope === undefined) return
    const body = this.#body(scope)
    if (body.length > largeAnswerBytes) this.#node.largeAnswerAt = this.#node.clock.now()
    res.cork(() => {
      res.writeStatus('200 OK')
      res.writeHeader('Content-Type', 'application/json')
      res.writeHeader('Cache-Control', 'no-store')
      this.#node.origins.writeHeaders(res, this.#origin)
      res.end(body)
    })
    this.#closed()
  }

  /** Every channel of its cursor has ended, and everything was got. */
  #nothingMore(): void {
    const res = this.#res
    if (res === undefined) return
    endWithoutContent(this.#node, res, this.#origin)
    this.#closed()
  }

  #body(scope: CursorScope): Uint8Array {
    const parts: Uint8Array[] = [nothing]
    const last = this.#pushPublications(parts)
    const cursor = scope.cursor(last, this.#reading)
    parts[0] = Buffer.from(`{"cursor":"${cursor}","publications":[`)
    const gaps = JSON.stringify(this.#gaps ?? [])
    const ended = JSON.stringify(this.#reading?.ended ?? nothingEnded)
    const recovered = JSON.stringify(this.#recovered ?? {})
    const { expiresAt } = this.#identity
    const news = `],"gaps":${gaps},"ended":${ended},"recovered":${recovered}`
    parts.push(Buffer.from(`${news},"expiresAt":${expiresAt}}`))
    return Buffer.concat(parts)
  }

  /**
   * The arrival up to which its ephemeral channels are in the answer. Of those what has no room
   * comes with the next poll; what was taken of a durable channel has room.
   */
  #pushPublications(parts: Uint8Array[]): number {
    let left: Publication | undefined = undefined
    let bytes = 0
    for (const publication of this.#publications ?? nothingElse) {
      const isEphemeral = publication.offset === 0
      if (isEphemeral && left !== undefined) continue
      const item = publicationJsonWithoutType(publicationJson(publication))
      if (isEphemeral && parts.length > 1 && bytes + item.length > answerBytesMax) {
        left = publication
        continue
      }
      bytes += item.length
      if (parts.length > 1) parts.push(comma)
      parts.push(item)
      this.#node.counters.deliveries.poll += 1
    }
    return left === undefined ? this.#node.hub.arrival : left.arrival - 1
  }

  #closed(): void {
    if (this.#res === undefined) return
    this.#res = undefined
    const node = this.#node
    this.#publications = undefined
    this.#gaps = undefined
    this.#recovered = undefined
    this.#reading = undefined
    node.counters.connections.poll -= 1
    node.counters.subscriptions -= this.#subscriptions.length
    unsubscribeAll(node, this.#subscriptions)
    this.#subscriptions = []
    if (this.#scope !== undefined) this.#scopes.release(this.#scope)
    this.#scope = undefined
  }
}

const comma = Buffer.from(',')
const nothing = new Uint8Array()
const nothingElse: readonly Publication[] = []
const nothingEnded: readonly string[] = []
