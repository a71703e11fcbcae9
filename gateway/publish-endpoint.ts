/** `POST /v1/publish`: the publish frame for clients that have no socket (PROTOCOL 8). */
import type { HttpResponse } from 'uWebSockets.js'
import { decodePublishBody } from '../shared/json-codec.js'
import { publishAccess } from './access.js'
import { answerFault } from './fault.js'
import type { HubPublishResult } from '../hub/hub.js'
import type { Identity } from './identity.js'
import { brokerAway, retryAfter, type Node } from './node.js'
import { sendProblem, type Ending, type Problem } from './problem.js'
import { KeyedRateLimit } from './rate-limit.js'
import { identifyRequest } from './request-identity.js'
import { readBody } from './request-body.js'
import type { Request } from './request.js'

/** Publishes by HTTP of one subject (or address, without `sub`), as frames of one connection. */
export class PublishEndpoint {
  readonly #node: Node
  readonly #rates: KeyedRateLimit

  constructor(node: Node) {
    this.#node = node
    const { framesPerSecondMax, framesBurstMax } = node.settings
    this.#rates = new KeyedRateLimit(framesPerSecondMax, framesBurstMax, publishersMax)
  }

  /** The token first: a stranger's body is not worth the memory. */
  handle(res: HttpResponse, request: Request): void {
    const node = this.#node
    const { origin } = request
    const identified = identifyRequest(node, request)
    if (!identified.ok) return refuse(node, res, origin, identified.problem, unread)
    const { identity } = identified
    const publisher = identity.subject ?? request.address()
    if (!this.#rates.take(publisher, node.clock.now())) {
      return refuse(node, res, origin, tooManyPublishes(node), unread)
    }
    readBody(node, res, {
      done: (body) => answerPublish(node, res, origin, identity, body),
      failed: (problem) => refuse(node, res, origin, problem, unread),
    })
  }
}

type Published = Extract<HubPublishResult, { readonly ok: true }>

const publishersMax = 10_000
/** The body has not been read to its end: no request can follow on this connection. */
const unread: Ending = { closesConnection: true }

function tooManyPublishes(node: Node): Problem {
  const detail = `A subject publishes at most ${node.settings.framesPerSecondMax} times a second.`
  return { code: 'rate_limited', detail, retryAfterSeconds: retryAfter(node) }
}

function refuse(
  node: Node,
  res: HttpResponse,
  origin: string,
  problem: Problem,
  ending: Ending = {},
): void {
  node.counters.refuse(problem.code)
  sendProblem(res, problem, () => node.origins.writeHeaders(res, origin), ending)
}

function answerPublish(
  node: Node,
  res: HttpResponse,
  origin: string,
  identity: Identity,
  body: Uint8Array,
): void {
  // From here on the answer waits for the broker, and the client may leave meanwhile.
  let isOpen = true
  res.onAborted(() => {
    isOpen = false
  })
  node.counters.requestsPending += 1
  const pending = publish(node, identity, body).finally(() => {
    node.counters.requestsPending -= 1
  })
  pending.then(
    (outcome) => {
      const isPublished = 'ok' in outcome
      if (isPublished) node.counters.publicationsAccepted += 1
      if (!isOpen) return
      if (isPublished) sendPublished(node, res, origin, outcome.offset)
      else refuse(node, res, origin, outcome)
    },
    (error: unknown) => {
      if (isOpen) answerFault(node, res, error)
      else node.onInternalError(error)
    },
  )
}

async function publish(
  node: Node,
  identity: Identity,
  body: Uint8Array,
): Promise<Published | Problem> {
  const { settings, hub } = node
  const decoded = decodePublishBody(body)
  if (!decoded.ok) return { code: 'bad_request', detail: decoded.message }
  const { channel, payload, contentType, idempotencyKey } = decoded.request
  const access = publishAccess(channel, identity, settings.namespaces)
  if (!access.ok) return { code: access.code, detail: access.message }
  if (payload.length > settings.publicationBytesMax) {
    const detail = `A publication has at most ${settings.publicationBytesMax} bytes.`
    return { code: 'too_large', detail }
  }
  const from = { sender: identity.subject, contentType, idempotencyKey }
  const result = await hub.publish(access.name, payload, from)
  return result.ok ? result : publishProblem(node, result.code)
}

/** Why the hub did not take a publication, for frames and for HTTP alike. */
export function publishProblem(node: Node, code: 'bad_request' | 'broker_unavailable'): Problem {
  if (code === 'broker_unavailable') return brokerAway(node)
  return { code, detail: 'The content type or the sender cannot be carried in a header.' }
}

/** `offset`: on a durable channel, which has it then. */
function sendPublished(
  node: Node,
  res: HttpResponse,
  origin: string,
  offset: number | undefined,
): void {
  res.cork(() => {
    res.writeStatus('200 OK')
    res.writeHeader('Content-Type', 'application/json')
    res.writeHeader('Cache-Control', 'no-store')
    node.origins.writeHeaders(res, origin)
    res.end(JSON.stringify({ offset }))
  })
}
