/** An exception in an engine callback, or after one: a bug, told to whoever logs, not passed on. */
import type { HttpResponse } from 'uWebSockets.js'
import type { Node } from './node.js'
import { sendProblem } from './problem.js'

/**
 * The engine insists on an answer: a response without one would end the process. Where one has
 * begun, or the client is gone, the connection is ended.
 */
export function answerFault(node: Node, res: HttpResponse, error: unknown): void {
  countFault(node, error)
  const problem = { code: 'internal_error', detail: 'This is a fault of the server.' } as const
  try {
    sendProblem(res, problem, undefined, { closesConnection: true })
  } catch {
    close(res)
  }
}

export function countFault(node: Node, error: unknown): void {
  node.onInternalError(error)
  node.counters.refuse('internal_error')
}

function close(res: HttpResponse): void {
  try {
    res.close()
  } catch {
    // It has been answered, or is gone: nothing is owed.
  }
}

/** For a callback of the engine that has nothing to answer. */
export function guard(node: Node, run: () => void): void {
  try {
    run()
  } catch (error) {
    countFault(node, error)
  }
}
