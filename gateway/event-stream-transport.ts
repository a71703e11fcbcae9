/** The SSE route: a request that accepts `text/event-stream` becomes one (PROTOCOL 6). */
import type { HttpResponse } from 'uWebSockets.js'
import type { CursorScopes } from './cursor-scope.js'
import { EventStream } from './event-stream.js'
import { writeStreamHead } from './event-stream-head.js'
import { namedEvent, retryLine } from './event-text.js'
import { readEventsBody } from './events-body.js'
import {
  channelsOf,
  lastOf,
  readEventsRequest,
  type EventsQuestion,
  type EventsRequestResult,
} from './events-request.js'
import { identifyRequest } from './request-identity.js'
import { admissionProblem, brokerAway, type Node } from './node.js'
import { problemJson, sendProblem, type Ending, type Problem } from './problem.js'
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
  const { query, lastEventId } = request
  const cursor = lastEventId === '' ? query.get('cursor') : lastEventId
  const question = { channels: channelsOf(query), cursor, last: lastOf(query) }
  open(node, scopes, res, request, question)
}

export function handleEventStreamBody(
  node: Node,
  scopes: CursorScopes,
  res: HttpResponse,
  request: Request,
): void {
  const { lastEventId } = request
  readEventsBody(node, res, request, {
    done: (body) => {
      // Who comes back with the same body is further than it says.
      const question =
        lastEventId === '' ? body : { ...body, cursor: lastEventId, positions: undefined }
      open(node, scopes, res, request, question)
    },
    refused: (problem, ending) => refuse(node, res, request, problem, ending),
  })
}

function open(
  node: Node,
  scopes: CursorScopes,
  res: HttpResponse,
  request: Request,
  question: EventsQuestion,
): void {
  const result = readStreamRequest(node, request, question)
  if (!result.ok) return refuse(node, res, request, result.problem)
  node.counters.handshakesAccepted.sse += 1
  const stream = new EventStream(node, result.request, scopes, res, request.origin)
  // An `EventSource` opens with the head, unless it may have to be told that it need not.
  if (!mayHaveEnded(node, result.request)) stream.writeHead()
  openReader(node, stream, result.request)
}

function readStreamRequest(
  node: Node,
  request: Request,
  question: EventsQuestion,
): EventsRequestResult {
  const admission = admissionProblem(node)
  if (admission !== undefined) return { ok: false, problem: admission }
  const identified = identifyRequest(node, request)
  if (!identified.ok) return identified
  const result = readEventsRequest(node, identified.identity, question)
  if (result.ok && !node.hub.isConnected) {
    return { ok: false, problem: brokerAway(node) }
  }
  return result
}

function refuse(
  node: Node,
  res: HttpResponse,
  request: Request,
  problem: Problem,
  ending: Ending = {},
): void {
  node.counters.handshakesRefused.sse += 1
  node.counters.refuse(problem.code)
  if (!passing.has(problem.code)) {
    const writeHeaders = (): void => node.origins.writeHeaders(res, request.origin)
    return sendProblem(res, problem, writeHeaders, ending)
  }
  const event = namedEvent('problem', problemJson(problem), retryLine(node.random))
  writeStreamHead(node, res, request.origin, event)
  res.cork(() => res.end(undefined, ending.closesConnection === true))
}
