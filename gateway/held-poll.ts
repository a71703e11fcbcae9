/** A poll of either form while it waits: answered with the first news, or when its time is over. */
import type { HttpResponse } from 'uWebSockets.js'
import type { CursorScopes } from './cursor-scope.js'
import type { EventsRequest } from './events-request.js'
import type { Flushable } from './flush-queue.js'
import { HeldRequest } from './held-request.js'
import { leavingProblem, type Node } from './node.js'
import type { Problem } from './problem.js'

export abstract class HeldPoll extends HeldRequest implements Flushable {
  /** When it is answered, news or not. */
  protected readonly deadline: number
  /** It is answered with this tick. */
  protected isQueued = false

  constructor(
    node: Node,
    request: EventsRequest,
    scopes: CursorScopes,
    res: HttpResponse,
    deadline: number,
  ) {
    super(node, request, scopes, res)
    this.deadline = deadline
  }

  /** At the end of the tick, so that publications that arrive together leave together. */
  flush(): void {
    this.isQueued = false
    if (this.hasBegun) this.answer()
  }

  leave(): void {
    if (this.hasBegun) this.answer()
    // It has no cursor to give yet: the client keeps the one that it came with.
    else this.fail(leavingProblem(this.node))
  }

  abstract fail(problem: Problem): void

  /** With what there is. */
  protected abstract answer(): void

  protected queue(): void {
    if (this.isQueued) return
    this.isQueued = true
    this.node.answerQueue.add(this)
  }
}
