/** What an event stream says first: the welcome, and what it cannot resume (PROTOCOL 6.2, 6.5). */
import type { CursorScope } from './cursor-scope.js'
import type { DurableReading } from './durable-reading.js'
import { idLine, namedEvent } from './event-text.js'
import type { Identity } from './identity.js'
import { nextWelcome, type Node } from './node.js'
import type { Resumption } from './resume.js'

export function welcomeEvents(
  node: Node,
  identity: Identity,
  { gaps, position, isLossy }: Resumption,
  scope: CursorScope,
  reading: DurableReading | undefined,
): readonly Uint8Array[] {
  const welcome = { ...nextWelcome(node, identity), subscriptions: scope.names }
  // A client that is cut off between welcome and a gap must hear of the gap again: its cursor
  // moves on only with the last of them.
  const id = idLine(scope.cursor(position, reading))
  const isWhole = gaps.length === 0 && !isLossy
  const events = [namedEvent('welcome', JSON.stringify(welcome), isWhole ? id : '')]
  for (const [at, gap] of gaps.entries()) {
    events.push(namedEvent('gap', JSON.stringify(gap), at === gaps.length - 1 ? id : ''))
  }
  return events
}
