/** What an event stream or a poll asks for: channels, and where to go on (PROTOCOL 6, 7). */
import type { Channel } from '../shared/channel.js'
import { decodeCursor, type Cursor } from '../shared/cursor.js'
import { limits } from '../shared/limits.js'
import { isMembers } from '../shared/members.js'
import type { Pattern } from '../shared/pattern.js'
import { readShownPosition, type ShownPosition } from '../shared/shown-position.js'
import { subscribeAccess } from './access.js'
import type { Identity } from './identity.js'
import type { Node } from './node.js'
import type { Problem } from './problem.js'

export interface EventsRequest {
  readonly identity: Identity
  readonly names: readonly (Channel | Pattern)[]
  readonly cursor: Cursor | undefined
  /** By name, names that are not asked for among them. */
  readonly positions: ReadonlyMap<string, ShownPosition> | undefined
  /** Of each durable channel of which no position is shown, begin with the newest so many. */
  readonly last: number | undefined
}

/** As a query or a body has it. */
export interface EventsQuestion {
  readonly channels: readonly string[]
  readonly cursor?: string | null | undefined
  readonly positions?: unknown
  readonly last?: unknown
}

export type EventsRequestResult =
  | { readonly ok: true; readonly request: EventsRequest }
  | { readonly ok: false; readonly problem: Problem }

/** `channels` beside those of the token's `channels` claim; an empty or absent cursor: from now. */
export function readEventsRequest(
  node: Node,
  identity: Identity,
  { channels, cursor: cursorText, positions: given, last }: EventsQuestion,
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
  const positions = given === undefined ? undefined : readPositions(given, requestChannelsMax)
  if (typeof positions === 'string') return bad(positions)
  if (!isLast(last)) return bad(`"last" must be a whole number from 1 to ${limits.lastMax}.`)
  return { ok: true, request: { identity, names, cursor, positions, last } }
}

/** What is shown for one of the names: the first that covers the channel counts. */
export function shownFor(
  { positions, cursor }: EventsRequest,
  name: string,
): readonly ShownPosition[] {
  const position = positions?.get(name)
  return [position, cursor].filter((each) => each !== undefined)
}

/** Counted before they are read: each may be a cursor, and costs. */
function readPositions(
  given: unknown,
  countMax: number,
): ReadonlyMap<string, ShownPosition> | string {
  if (!isMembers(given)) return '"positions" must be an object.'
  const entries = Object.entries(given)
  if (entries.length > countMax) return `"positions" has at most ${countMax} members.`
  const positions = new Map<string, ShownPosition>()
  for (const [name, value] of entries) {
    const shown = readShownPosition(value)
    if (typeof shown === 'string') return `In "positions": ${shown}.`
    positions.set(name, shown)
  }
  return positions
}

function isLast(last: unknown): last is number | undefined {
  if (last === undefined) return true
  return Number.isInteger(last) && Number(last) >= 1 && Number(last) <= limits.lastMax
}

/** `channels=a,b`; may be repeated. */
export function channelsOf(query: URLSearchParams): readonly string[] {
  return query
    .getAll('channels')
    .flatMap((list) => list.split(','))
    .filter((name) => name !== '')
}

/** Whatever is no number there is none that may be asked for. */
export function lastOf(query: URLSearchParams): unknown {
  const text = query.get('last')
  if (text === null) return undefined
  return /^\d{1,4}$/.test(text) ? Number(text) : text
}

export function bad(detail: string): {
  readonly ok: false
  readonly problem: Problem
} {
  return { ok: false, problem: { code: 'bad_request', detail } }
}
