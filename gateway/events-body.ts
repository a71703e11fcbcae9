/** The body of `POST /v1/events`: what a poll or an event stream asks (PROTOCOL 6.9, 7.1). */
import type { HttpResponse } from 'uWebSockets.js'
import { parseJson } from '../shared/json-payload.js'
import { isMembers } from '../shared/members.js'
import { bad, type EventsQuestion } from './events-request.js'
import { admissionProblem, type Node } from './node.js'
import type { Ending, Problem } from './problem.js'
import { readBody } from './request-body.js'
import { identifyRequest } from './request-identity.js'
import type { Request } from './request.js'

export interface EventsBody extends EventsQuestion {
  /** As it was given: an event stream that has one is a short one. */
  readonly wait: unknown
}

export interface EventsBodyReader {
  /** Who asks may have lost its right meanwhile: that is looked at again. */
  done(body: EventsBody): void
  refused(problem: Problem, ending: Ending): void
}

type ReadBody =
  | { readonly ok: true; readonly body: EventsBody }
  | { readonly ok: false; readonly problem: Problem }

interface BodyMembers {
  readonly channels?: unknown
  readonly cursor?: unknown
  readonly positions?: unknown
  readonly last?: unknown
  readonly wait?: unknown
}

const unread: Ending = { closesConnection: true }

/** Registers handlers of the engine, as `readBody` does. */
export function readEventsBody(
  node: Node,
  res: HttpResponse,
  request: Request,
  reader: EventsBodyReader,
): void {
  // The token first: a stranger's body is not worth the memory.
  const problem = admissionProblem(node) ?? identityProblem(node, request)
  if (problem !== undefined) return reader.refused(problem, unread)
  readBody(node, res, {
    done: (bytes) => {
      const read = bodyOf(bytes)
      if (read.ok) reader.done(read.body)
      else reader.refused(read.problem, {})
    },
    failed: (problem) => reader.refused(problem, unread),
  })
}

function identityProblem(node: Node, request: Request): Problem | undefined {
  const identified = identifyRequest(node, request)
  return identified.ok ? undefined : identified.problem
}

function bodyOf(bytes: Uint8Array): ReadBody {
  const parsed = parseJson(bytes)
  if (!parsed.ok) return bad(`The body is ${parsed.message}.`)
  const { value } = parsed
  if (!isMembers(value)) return bad('The body must be an object.')
  const { channels = [], cursor, positions, last, wait }: BodyMembers = value
  if (!isStrings(channels)) return bad('"channels" must be a list of strings.')
  if (cursor !== undefined && typeof cursor !== 'string') return bad('"cursor" must be a string.')
  return { ok: true, body: { channels, cursor, positions, last, wait } }
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}
