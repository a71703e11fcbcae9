/** How a request for an event stream is refused: with a status, or as a stream (PROTOCOL 6.6). */
import type { HttpResponse } from 'uWebSockets.js'
import { writeStreamHead } from './event-stream-head.js'
import { namedEvent, retryLine } from './event-text.js'
import type { Node } from './node.js'
import { problemJson, sendProblem, type Ending, type Problem } from './problem.js'

/** What an `EventSource` must come back from: any answer but 200 makes it give up for ever. */
const passing: ReadonlySet<string> = new Set([
  'overloaded',
  'draining',
  'broker_unavailable',
  'key_unknown',
])

export function refuseStream(
  node: Node,
  res: HttpResponse,
  origin: string,
  problem: Problem,
  ending: Ending = {},
): void {
  node.counters.refuse(problem.code)
  if (!passing.has(problem.code)) {
    return sendProblem(res, problem, () => node.origins.writeHeaders(res, origin), ending)
  }
  writeStreamHead(node, res, origin, problemEvent(node, problem))
  res.cork(() => res.end(undefined, ending.closesConnection === true))
}

/** The last event of a stream. */
export function problemEvent({ random }: Node, problem: Problem): Uint8Array {
  return namedEvent('problem', problemJson(problem), retryLine(random))
}
