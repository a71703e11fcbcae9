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
import { HeldPoll } from './held-poll.js'
import { largeAnswerBytes, type Node } from './node.js'
import { sendProblem, type Problem } from './problem.js'
import type { Reader } from './reader.js'
import type { Resumption } from './resume.js'
import { toldGap, type ToldGap } from './told-gap.js'
import { publicationJson } from './wire-format.js'

export class PendingPoll extends HeldPoll implements Reader, DueItem {
  readonly #origin: string
  #publications: Publication[] | undefined = undefined
  /** Of their JSON; counted only where it decides whether a history goes on. */
  #bytes = 0
  #gaps: ToldGap[] | undefined = undefined
  #recovered: Record<string, boolean> | undefined = undefined
  /** Durable channels whose end an earlier answer told. */
  #endsKnown: readonly string[] = nothingEnded

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

  /** An answer is full before its bytes are too many: a history waits for the next poll. */
  get canTake(): boolean {
    return hasRoom(this.node, this.#bytes)
  }

  /** The subscriptions are in effect: answers now if there is anything to say, else waits. */
  begin({ publications, gaps, recovered, ended }: Resumption): void {
    const node = this.node
    if (ended.length === this.subscriptions.length) return this.#nothingMore()
    this.#recovered = recovered
    this.#endsKnown = ended
    if (publications.length > 0) {
      this.#publications = [...publications, ...(this.#publications ?? [])]
    }
    if (gaps.length > 0) this.#gaps = [...gaps, ...(this.#gaps ?? [])]
    const reading = DurableReading.of(node.hub, this.subscriptions)
    if (reading !== undefined) this.#release(reading)
    this.hasBegun = true
    if (this.#hasNews || node.clock.now() >= this.deadline) this.answer()
    else node.wheel.add(this, this.deadline)
  }

  deliver(publication: Publication, subscription: Subscription): boolean {
    if (publication.offset > 0) {
      if (!this.canTake) return false
      this.reading?.goesOn(subscription)
    }
    if (this.reading !== undefined) this.#bytes += publicationJson(publication).length
    if (this.#publications === undefined) this.#publications = [publication]
    else this.#publications.push(publication)
    this.queue()
    return true
  }

  gap(gap: Gap, subscription: Subscription): void {
    this.node.counters.gap(gap.reason)
    this.reading?.goesOn(subscription)
    const { name, namespace } = subscription.interest
    const recovered = this.#recovered
    if (namespace !== undefined && recovered?.[name] === true) recovered[name] = false
    this.#gaps ??= []
    this.#gaps.push(toldGap(subscription, gap))
    this.queue()
  }

  ended(subscription: Subscription): void {
    this.reading?.end(subscription)
    if (!this.#endsKnown.includes(subscription.interest.name)) this.queue()
  }

  /** In its turn: thousands that came together end their wait together. */
  due(): undefined {
    this.queue()
    return undefined
  }

  fail(problem: Problem): void {
    const res = this.res
    if (res === undefined) return
    this.node.counters.refuse(problem.code)
    sendProblem(res, problem, () => this.node.origins.writeHeaders(res, this.#origin))
    this.closed()
  }

  protected forget(): void {
    this.#publications = undefined
    this.#gaps = undefined
    this.#recovered = undefined
  }

  get #hasNews(): boolean {
    if (this.#publications !== undefined || this.#gaps !== undefined) return true
    return this.reading?.ended.some((name) => !this.#endsKnown.includes(name)) === true
  }

  /** Collects what the history has, as far as it is here; `begin` looks at it itself. */
  #release(reading: DurableReading): void {
    this.reading = reading
    for (const publication of this.#publications ?? []) {
      this.#bytes += publicationJson(publication).length
    }
    this.isQueued = true
    reading.release()
    this.isQueued = false
  }

  protected answer(): void {
    const res = this.res
    const scope = this.scope
    if (res === undefined || scope === undefined) return
    const body = this.#body(scope)
    if (body.length > largeAnswerBytes) this.node.largeAnswerAt = this.node.clock.now()
    res.cork(() => {
      res.writeStatus('200 OK')
      res.writeHeader('Content-Type', 'application/json')
      res.writeHeader('Cache-Control', 'no-store')
      this.node.origins.writeHeaders(res, this.#origin)
      res.end(body)
    })
    this.closed()
  }

  /** Every channel of its cursor has ended, and everything was got. */
  #nothingMore(): void {
    const res = this.res
    if (res === undefined) return
    endWithoutContent(this.node, res, this.#origin)
    this.closed()
  }

  #body(scope: CursorScope): Uint8Array {
    const parts: Uint8Array[] = [nothing]
    const last = this.#pushPublications(parts)
    const cursor = scope.cursor(last, this.reading)
    parts[0] = Buffer.from(`{"cursor":"${cursor}","publications":[`)
    const gaps = JSON.stringify(this.#gaps ?? [])
    const ended = JSON.stringify(this.reading?.ended ?? nothingEnded)
    const recovered = JSON.stringify(this.#recovered ?? {})
    const { expiresAt } = this.identity
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
      this.node.counters.deliveries.poll += 1
    }
    return left === undefined ? this.node.hub.arrival : left.arrival - 1
  }
}

const comma = Buffer.from(',')
const nothing = new Uint8Array()
const nothingElse: readonly Publication[] = []
const nothingEnded: readonly string[] = []
