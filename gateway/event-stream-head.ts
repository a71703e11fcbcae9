/** How the answer of an event stream begins; once begun, its status cannot change any more. */
import type { HttpResponse } from 'uWebSockets.js'
import type { Node } from './node.js'
import { statusLine } from './problem.js'

export function writeStreamHead(
  node: Node,
  res: HttpResponse,
  origin: string,
  first: Uint8Array,
): void {
  res.cork(() => {
    writeStreamHeaders(node, res, origin)
    res.write(first)
  })
}

/** To be corked with what follows. */
export function writeStreamHeaders({ origins }: Node, res: HttpResponse, origin: string): void {
  res.writeStatus(statusLine(200))
  res.writeHeader('Content-Type', 'text/event-stream')
  res.writeHeader('Cache-Control', 'no-store')
  // nginx would collect the stream in a buffer.
  res.writeHeader('X-Accel-Buffering', 'no')
  origins.writeHeaders(res, origin)
}

/** Nothing will ever come: an `EventSource` stops at it, and a poll has nothing to wait for. */
export function endWithoutContent({ origins }: Node, res: HttpResponse, origin: string): void {
  res.cork(() => {
    res.writeStatus(statusLine(204))
    res.writeHeader('Cache-Control', 'no-store')
    origins.writeHeaders(res, origin)
    res.endWithoutBody()
  })
}
