/** The SSE route: a request that accepts `text/event-stream` becomes one (PROTOCOL 6). */
import type { HttpResponse } from 'uWebSockets.js'
import type { CursorScopes } from './cursor-scope.js'
import { EventStream } from './event-stream.js'
import { namedEvent, retryLine } from './event-text.js'
import { readEventsRequest, type EventsRequestResult } from './events-request.js'
import { identifyRequest } from './request-identity.js'
import { admissionProblem, brokerAway, type Node } from './node.js'
import { problemJson, sendProblem, type Problem } from './problem.js'
import { openReader } from './reader.js'
import type { Request } from './request.js'

const encoder = new TextEncoder()

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
  // The head leaves with the first write, and an `EventSource` opens with it.
  writeHead(node, res, request, encoder.encode(retryLine(node.random)))
  openReader(node, new EventStream(node, result.request, scopes, res), result.request)
}

function readStreamRequest(node: Node, request: Request): EventsRequestResult {
  const admission = admissionProblem(node)
  if (admission !== undefined) return { ok: false, problem: admission }
  const identified = identifyRequest(node, request)
  if (!identified.ok) return identified
  const { query, lastEventId } = request
  const cursor = lastEventId === '' ? query.get('cursor') : lastEventId
  const result = readEventsRequest(node, identified.identity, channelsOf(query), cursor)
  if (result.ok && !node.hub.isConnected) {
    return { ok: false, problem: brokerAway(node) }
  }
  return result
}

/** `channels=a,b`; may be repeated. */
export function channelsOf(query: URLSearchParams): readonly string[] {
  return query
    .getAll('channels')
    .flatMap((list) => list.split(','))
    .filter((name) => name !== '')
}

function refuse(node: Node, res: HttpResponse, request: Request, problem: Problem): void {
  node.counters.handshakesRefused.sse += 1
  node.counters.refuse(problem.code)
  if (!passing.has(problem.code)) {
    return sendProblem(res, problem, () => node.origins.writeHeaders(res, request.origin))
  }
  const event = namedEvent('problem', problemJson(problem), retryLine(node.random))
  writeHead(node, res, request, event)
  res.cork(() => res.end())
}

function writeHead(node: Node, res: HttpResponse, request: Request, first: Uint8Array): void {
  res.cork(() => {
    res.writeStatus('200 OK')
    res.writeHeader('Content-Type', 'text/event-stream')
    res.writeHeader('Cache-Control', 'no-store')
    // nginx would collect the stream in a buffer.
    res.writeHeader('X-Accel-Buffering', 'no')
    node.origins.writeHeaders(res, request.origin)
    res.write(first)
  })
}
