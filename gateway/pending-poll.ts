/** One long-poll: waits for publications of its channels, answers once, is gone (PROTOCOL 7). */
import type { HttpResponse } from 'uWebSockets.js'
import { publicationJsonWithoutType } from '../shared/publication-json.js'
import type { GapReason } from '../shared/codes.js'
import type { Publication } from '../hub/publication.js'
import type { Subscription } from '../hub/subscription.js'
import type { CursorScope, CursorScopes } from './cursor-scope.js'
import type { DueItem } from './due-wheel.js'
import type { EventsRequest } from './events-request.js'
import { guard } from './fault.js'
import type { Flushable } from './flush-queue.js'
import type { Identity } from './identity.js'
import { largeAnswerBytes, leavingProblem, type Node } from './node.js'
import { sendProblem, type Problem } from './problem.js'
import { unsubscribeAll, type Reader } from './reader.js'
import type { Gap, Resumption } from './resume.js'
import { publicationJson } from './wire-format.js'

/** Of one answer; what is more comes with the next poll, whose cursor is where this one ends. */
const answerBytesMax = 1_048_576

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
  #publications: Publication[] | undefined = undefined
  #gaps: Gap[] | undefined = undefined
  #recovered: Readonly<Record<string, boolean>> | undefined = undefined

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

  /** The subscriptions are in effect: answers now if there is anything to say, else waits. */
  begin({ publications, gaps, recovered }: Resumption): void {
    const node = this.#node
    this.#hasBegun = true
    this.#recovered = recovered
    if (publications.length > 0) {
      this.#publications = [...publications, ...(this.#publications ?? [])]
    }
    if (gaps.length > 0) this.#gaps = [...gaps, ...(this.#gaps ?? [])]
    const hasNews = this.#publications !== undefined || this.#gaps !== undefined
    if (hasNews || node.clock.now() >= this.#deadline) this.#answer()
    else node.wheel.add(this, this.#deadline)
  }

  deliver(publication: Publication): void {
    if (this.#publications === undefined) this.#publications = [publication]
    else this.#publications.push(publication)
    this.#queue()
  }

  gap(reason: GapReason, subscription: Subscription): void {
    this.#node.counters.gap(reason)
    this.#gaps ??= []
    this.#gaps.push({ channel: subscription.interest.name, reason })
    this.#queue()
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

  #body(scope: CursorScope): Uint8Array {
    const node = this.#node
    const publications = this.#publications ?? []
    const parts: Uint8Array[] = [nothing]
    let bytes = 0
    let count = 0
    for (const publication of publications) {
      const item = publicationJsonWithoutType(publicationJson(publication))
      bytes += item.length
      if (count > 0 && bytes > answerBytesMax) break
      if (count > 0) parts.push(comma)
      parts.push(item)
      count += 1
    }
    const isWhole = count === publications.length
    const last = isWhole ? node.hub.arrival : (publications[count - 1] as Publication).arrival
    node.counters.deliveries.poll += count
    parts[0] = Buffer.from(`{"cursor":"${scope.cursor(last)}","publications":[`)
    const gaps = JSON.stringify(this.#gaps ?? [])
    const recovered = JSON.stringify(this.#recovered ?? {})
    const { expiresAt } = this.#identity
    const rest = `],"gaps":${gaps},"recovered":${recovered},"expiresAt":${expiresAt}}`
    parts.push(Buffer.from(rest))
    return Buffer.concat(parts)
  }

  #closed(): void {
    if (this.#res === undefined) return
    this.#res = undefined
    const node = this.#node
    this.#publications = undefined
    this.#gaps = undefined
    this.#recovered = undefined
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
