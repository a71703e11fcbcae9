/** `GET /v1/history`: pages through what a durable channel keeps (PROTOCOL 8.7, 8.8). */
import type { HttpResponse } from 'uWebSockets.js'
import type { HistoryAnswer } from '../hub/durable-namespaces.js'
import { findNamespace } from '../hub/namespaces.js'
import { isChannel, type Channel } from '../shared/channel.js'
import { limits } from '../shared/limits.js'
import { isOffset } from '../shared/position.js'
import { publicationJsonWithoutType } from '../shared/publication-json.js'
import { subscribeAccess } from './access.js'
import { answerFault } from './fault.js'
import type { Identity } from './identity.js'
import { busy, largeAnswerBytes, retryAfter, type Node } from './node.js'
import { sendProblem, type Problem } from './problem.js'
import { KeyedRateLimit } from './rate-limit.js'
import { identifyRequest } from './request-identity.js'
import type { Request } from './request.js'
import { publicationJson } from './wire-format.js'

interface PageRequest {
  readonly channel: Channel
  readonly after: number
  readonly limit: number
}

type Page = Extract<HistoryAnswer, { readonly ok: true }>

const readersMax = 10_000

/** Pages of one subject (or address, without `sub`), as many as frames of one connection. */
export class HistoryEndpoint {
  readonly #node: Node
  readonly #rates: KeyedRateLimit

  constructor(node: Node) {
    this.#node = node
    const { framesPerSecondMax, framesBurstMax } = node.settings
    this.#rates = new KeyedRateLimit(framesPerSecondMax, framesBurstMax, readersMax)
  }

  handle(res: HttpResponse, request: Request): void {
    const node = this.#node
    const { origin } = request
    const identified = identifyRequest(node, request)
    if (!identified.ok) return refuse(node, res, origin, identified.problem)
    const { identity } = identified
    if (!this.#rates.take(identity.subject ?? request.address(), node.clock.now())) {
      return refuse(node, res, origin, tooManyReads(node))
    }
    const page = readPageRequest(node, identity, request.query)
    if ('code' in page) return refuse(node, res, origin, page)
    answerPage(node, res, origin, page)
  }
}

function tooManyReads(node: Node): Problem {
  const detail = `A subject reads at most ${node.settings.framesPerSecondMax} pages a second.`
  return { code: 'rate_limited', detail, retryAfterSeconds: retryAfter(node) }
}

function refuse(node: Node, res: HttpResponse, origin: string, problem: Problem): void {
  node.counters.refuse(problem.code)
  sendProblem(res, problem, () => node.origins.writeHeaders(res, origin))
}

function readPageRequest(
  { settings }: Node,
  identity: Identity,
  query: URLSearchParams,
): PageRequest | Problem {
  const access = subscribeAccess(query.get('channel') ?? '', identity, settings.namespaces)
  if (!access.ok) return { code: access.code, detail: access.message }
  const channel = access.name
  if (!isChannel(channel)) return bad('The history is that of a channel, not of a pattern.')
  if (findNamespace(settings.namespaces, channel)?.history === undefined) {
    return bad(`"${channel}" is an ephemeral channel: it has no history.`)
  }
  const after = wholeNumber(query.get('after') ?? '0')
  if (after === undefined) return bad('after must be a whole number from 0 to 2^53 - 1.')
  const limit = wholeNumber(query.get('limit') ?? String(limits.historyLimitDefault))
  if (limit === undefined || limit < 1 || limit > limits.historyLimitMax) {
    return bad(`limit must be a whole number from 1 to ${limits.historyLimitMax}.`)
  }
  return { channel, after, limit }
}

function bad(detail: string): Problem {
  return { code: 'bad_request', detail }
}

function wholeNumber(text: string): number | undefined {
  const value = /^\d{1,16}$/.test(text) ? Number(text) : undefined
  return isOffset(value) ? value : undefined
}

function answerPage(node: Node, res: HttpResponse, origin: string, request: PageRequest): void {
  let isOpen = true
  res.onAborted(() => {
    isOpen = false
  })
  const { channel, after, limit } = request
  node.counters.requestsPending += 1
  const pending = node.hub.history(channel, after, limit).finally(() => {
    node.counters.requestsPending -= 1
  })
  pending.then(
    (answer) => {
      if (!isOpen) return
      if (answer.ok) sendPage(node, res, origin, pageJson(request, answer))
      else refuse(node, res, origin, readProblem(node, answer.code))
    },
    (error: unknown) => {
      if (isOpen) answerFault(node, res, error)
      else node.onInternalError(error)
    },
  )
}

function readProblem(node: Node, code: 'broker_unavailable' | 'overloaded'): Problem {
  if (code === 'overloaded') return busy(node, code, 'This node has as many readers as it may.')
  return busy(node, code, 'The history cannot be read now.')
}

function sendPage(node: Node, res: HttpResponse, origin: string, body: Uint8Array): void {
  if (body.length > largeAnswerBytes) node.largeAnswerAt = node.clock.now()
  res.cork(() => {
    res.writeStatus('200 OK')
    res.writeHeader('Content-Type', 'application/json')
    res.writeHeader('Cache-Control', 'no-store')
    node.origins.writeHeaders(res, origin)
    res.end(body)
  })
}

/** The payloads as they came. */
function pageJson({ channel, after }: PageRequest, page: Page): Uint8Array {
  const { epoch, publications, hasMore, isEnded } = page
  const head = `{"channel":"${channel}","epoch":"${epoch}","publications":[`
  const parts: Uint8Array[] = [Buffer.from(head)]
  for (const publication of publications) {
    if (parts.length > 1) parts.push(comma)
    parts.push(publicationJsonWithoutType(publicationJson(publication)))
  }
  const next = publications.at(-1)?.offset ?? after
  parts.push(Buffer.from(`],"after":${next},"more":${hasMore},"ended":${isEnded}}`))
  return Buffer.concat(parts)
}

const comma = Buffer.from(',')
