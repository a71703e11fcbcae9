/** What an event stream or a poll asks for: channels, and where to go on (PROTOCOL 6, 7). */
import type { Channel } from '../shared/channel.js'
import { decodeCursor, type Cursor } from '../shared/cursor.js'
import type { Pattern } from '../shared/pattern.js'
import { subscribeAccess } from './access.js'
import type { Identity } from './identity.js'
import type { Node } from './node.js'
import type { Problem } from './problem.js'

export interface EventsRequest {
  readonly identity: Identity
  readonly names: readonly (Channel | Pattern)[]
  readonly cursor: Cursor | undefined
}

export type EventsRequestResult =
  | { readonly ok: true; readonly request: EventsRequest }
  | { readonly ok: false; readonly problem: Problem }

/** `channels` beside those of the token's `channels` claim; an empty or absent cursor: from now. */
export function readEventsRequest(
  node: Node,
  identity: Identity,
  channels: readonly string[],
  cursorText: string | null | undefined,
): EventsRequestResult {
  const { requestChannelsMax, namespaces } = node.settings
  const asked = new Set([...identity.permissions.channels, ...channels])
  if (asked.size === 0) return bad('The request names no channel.')
  if (asked.size > requestChannelsMax) {
    return bad(`A request names at most ${requestChannelsMax} channels.`)
  }
  const names: (Channel | Pattern)[] = []
  for (const name of asked) {
    const access = subscribeAccess(name, identity, namespaces)
    if (!access.ok) {
      return { ok: false, problem: { code: access.code, detail: access.message } }
    }
    names.push(access.name)
  }
  const isNew = cursorText === undefined || cursorText === null || cursorText === ''
  const cursor = isNew ? undefined : decodeCursor(cursorText)
  if (!isNew && cursor === undefined) return bad('The cursor cannot be read.')
  return { ok: true, request: { identity, names, cursor } }
}

export function bad(detail: string): {
  readonly ok: false
  readonly problem: Problem
} {
  return { ok: false, problem: { code: 'bad_request', detail } }
}
