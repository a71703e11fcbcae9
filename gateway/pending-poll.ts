/** One long-poll: waits for publications of its channels, answers once, and is gone (PROTOCOL 7). */
import type { HttpResponse } from 'uWebSockets.js'
import { publicationJsonWithoutType } from '../shared/publication-json.js'
import type { GapReason } from '../shared/codes.js'
import type { Publication } from '../hub/publication.js'
import type { Subscriber } from '../hub/subscriber.js'
import type { Subscription } from '../hub/subscription.js'
import type { CursorScope } from './cursor-scope.js'
import type { DueItem } from './due-wheel.js'
import type { Flushable } from './flush-queue.js'
import type { Identity } from './identity.js'
import type { Node } from './node.js'
import { sendProblem, type Problem } from './problem.js'
import { unsubscribeAll, type Gap, type Resumption } from './resume.js'
import { publicationJson } from './wire-format.js'

/** Of one answer; what is more comes with the next poll, whose cursor is where this one ends. */
const answerBytesMax = 1_048_576

export interface PollOptions {
  readonly node: Node
  readonly identity: Identity
  readonly scope: CursorScope
  readonly res: HttpResponse
  /** When it is answered, publications or not; ms since 1970. */
  readonly deadline: number
  readonly writeHeaders: (res: HttpResponse) => void
  readonly onClosed: () => void
}

export class PendingPoll implements Subscriber, Flushable, DueItem {
  /** Undefined once it is closed: the wheel holds the poll on until its deadline. */
  #options: PollOptions | undefined
  #hasBegun = false
  #isQueued = false
  #subscriptions: readonly Subscription[] = []
  #publications: Publication[] | undefined = undefined
  #gaps: Gap[] | undefined = undefined
  #recovered: Readonly<Record<string, boolean>> = {}

  constructor(options: PollOptions) {
    this.#options = options
    options.node.counters.connections.poll += 1
    options.res.onAborted(() => this.#closed())
  }

  get isOpen(): boolean {
    return this.#options !== undefined
  }

  subscribed(subscriptions: readonly Subscription[]): void {
    if (this.#options === undefined) return
    this.#subscriptions = subscriptions
    this.#options.node.counters.subscriptions += subscriptions.length
  }

  /** The subscriptions are in effect: answers now if there is anything to say, else waits. */
  begin({ publications, gaps, recovered }: Resumption): void {
    if (this.#options === undefined) return
    const { node, deadline } = this.#options
    this.#hasBegun = true
    this.#recovered = recovered
    if (publications.length > 0) {
      this.#publications = [...publications, ...(this.#publications ?? [])]
    }
    if (gaps.length > 0) this.#gaps = [...gaps, ...(this.#gaps ?? [])]
    const hasNews = this.#publications !== undefined || this.#gaps !== undefined
    // Who begins while the node leaves was not in the wheel when everybody was told.
    if (hasNews || node.isDraining || node.clock.now() >= deadline) this.#answer(this.#options)
    else node.wheel.add(this, deadline)
  }

  deliver(publication: Publication): void {
    if (this.#publications === undefined) this.#publications = [publication]
    else this.#publications.push(publication)
    this.#queue()
  }

  gap(reason: GapReason, subscription: Subscription): void {
    this.#options?.node.counters.gap(reason)
    this.#gaps ??= []
    this.#gaps.push({ channel: subscription.interest.name, reason })
    this.#queue()
  }

  /** At the end of the tick, so that publications that arrive together leave together. */
  flush(): void {
    this.#isQueued = false
    if (this.#options !== undefined && this.#hasBegun) this.#answer(this.#options)
  }

  due(): undefined {
    if (this.#options !== undefined) this.#answer(this.#options)
    return undefined
  }

  leave(): void {
    if (this.#options !== undefined) this.#answer(this.#options)
  }

  fail(problem: Problem): void {
    if (this.#options === undefined) return
    const { node, res, writeHeaders } = this.#options
    node.counters.refuse(problem.code)
    sendProblem(res, problem, writeHeaders)
    this.#closed()
  }

  #queue(): void {
    if (this.#isQueued) return
    this.#isQueued = true
    this.#options?.node.answerQueue.add(this)
  }

  #answer(options: PollOptions): void {
    const { res, writeHeaders } = options
    const body = this.#body(options)
    res.cork(() => {
      res.writeStatus('200 OK')
      res.writeHeader('Content-Type', 'application/json')
      res.writeHeader('Cache-Control', 'no-store')
      writeHeaders(res)
      res.end(body)
    })
    this.#closed()
  }

  #body({ node, scope, identity }: PollOptions): Uint8Array {
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
    const recovered = JSON.stringify(this.#recovered)
    const rest = `],"gaps":${gaps},"recovered":${recovered},"expiresAt":${identity.expiresAt}}`
    parts.push(Buffer.from(rest))
    return Buffer.concat(parts)
  }

  #closed(): void {
    if (this.#options === undefined) return
    const { node, onClosed } = this.#options
    this.#options = undefined
    this.#publications = undefined
    this.#gaps = undefined
    node.counters.connections.poll -= 1
    node.counters.subscriptions -= this.#subscriptions.length
    unsubscribeAll(node, this.#subscriptions)
    this.#subscriptions = []
    onClosed()
  }
}

const comma = Buffer.from(',')
const nothing = new Uint8Array()
