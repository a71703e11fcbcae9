/** The SSE route: a request that accepts `text/event-stream` becomes one (PROTOCOL 6). */
import type { HttpResponse } from 'uWebSockets.js'
import type { CursorScopes } from './cursor-scope.js'
import { EventStream } from './event-stream.js'
import { writeStreamHead } from './event-stream-head.js'
import { namedEvent, retryLine } from './event-text.js'
import {
  channelsOf,
  lastOf,
  readEventsRequest,
  type EventsRequestResult,
} from './events-request.js'
import { identifyRequest } from './request-identity.js'
import { admissionProblem, brokerAway, type Node } from './node.js'
import { problemJson, sendProblem, type Problem } from './problem.js'
import { openReader } from './reader.js'
import type { Request } from './request.js'
import { mayHaveEnded } from './resume.js'

/** What an `EventSource` must come back from: any answer but 200 makes it give up for ever. */
const passing: ReadonlySet<string> = new Set([
  'overloaded',
  'draining',
  'broker_unavailable',
  'key_unknown',
])

export function handleEventStream(
  node: Node,
  scopes: CursorScopes,
  res: HttpResponse,
  request: Request,
): void {
  const result = readStreamRequest(node, request)
  if (!result.ok) return refuse(node, res, request, result.problem)
  node.counters.handshakesAccepted.sse += 1
  const stream = new EventStream(node, result.request, scopes, res, request.origin)
  // An `EventSource` opens with the head, unless it may have to be told that it need not.
  if (!mayHaveEnded(node, result.request)) stream.writeHead()
  openReader(node, stream, result.request)
}

function readStreamRequest(node: Node, request: Request): EventsRequestResult {
  const admission = admissionProblem(node)
  if (admission !== undefined) return { ok: false, problem: admission }
  const identified = identifyRequest(node, request)
  if (!identified.ok) return identified
  const { query, lastEventId } = request
  const result = readEventsRequest(node, identified.identity, {
    channels: channelsOf(query),
    cursor: lastEventId === '' ? query.get('cursor') : lastEventId,
    last: lastOf(query),
  })
  if (result.ok && !node.hub.isConnected) {
    return { ok: false, problem: brokerAway(node) }
  }
  return result
}

function refuse(node: Node, res: HttpResponse, request: Request, problem: Problem): void {
  node.counters.handshakesRefused.sse += 1
  node.counters.refuse(problem.code)
  if (!passing.has(problem.code)) {
    return sendProblem(res, problem, () => node.origins.writeHeaders(res, request.origin))
  }
  const event = namedEvent('problem', problemJson(problem), retryLine(node.random))
  writeStreamHead(node, res, request.origin, event)
  res.cork(() => res.end())
}
