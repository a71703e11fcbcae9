/** The request for a short stream: asked as a poll, refused as an event stream (PROTOCOL 6.10). */
import type { HttpResponse } from 'uWebSockets.js'
import type { CursorScopes } from './cursor-scope.js'
import { refuseStream } from './event-stream-refusal.js'
import type { EventsBody } from './events-body.js'
import { admit, deadlineOf, questionOfBody } from './long-poll-transport.js'
import type { Node } from './node.js'
import type { Problem } from './problem.js'
import { openReader } from './reader.js'
import type { Request } from './request.js'
import { ShortStream } from './short-stream.js'

export function openShortStream(
  node: Node,
  scopes: CursorScopes,
  res: HttpResponse,
  request: Request,
  body: EventsBody,
): void {
  const refuse = (problem: Problem): void => {
    node.counters.handshakesRefused.poll += 1
    refuseStream(node, res, request.origin, problem)
  }
  const question = questionOfBody(node, body)
  if (!question.ok) return refuse(question.problem)
  const admitted = admit(node, request, question.value)
  if (!admitted.ok) return refuse(admitted.problem)
  node.counters.handshakesAccepted.poll += 1
  const deadline = deadlineOf(node, admitted.request.identity, question.value.wait)
  const stream = new ShortStream(node, admitted.request, scopes, res, request.origin, deadline)
  openReader(node, stream, admitted.request)
}
