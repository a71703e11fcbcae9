/** The SSE route: a request that accepts `text/event-stream` becomes one (PROTOCOL 6). */
import type { HttpResponse } from 'uWebSockets.js'
import type { CursorScopes } from './cursor-scope.js'
import { EventStream } from './event-stream.js'
import { refuseStream } from './event-stream-refusal.js'
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
import type { Ending, Problem } from './problem.js'
import { openReader } from './reader.js'
import type { Request } from './request.js'
import { mayHaveEnded } from './resume.js'
import { openShortStream } from './short-stream-transport.js'

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
      if (body.wait === undefined) open(node, scopes, res, request, question)
      else openShortStream(node, scopes, res, request, { ...question, wait: body.wait })
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
  { origin }: Request,
  problem: Problem,
  ending: Ending = {},
): void {
  node.counters.handshakesRefused.sse += 1
  refuseStream(node, res, origin, problem, ending)
}
