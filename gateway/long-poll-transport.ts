/** Long-poll and short-poll: the same question by GET and by POST, answered once (PROTOCOL 7). */
import type { HttpResponse } from 'uWebSockets.js'
import { limits } from '../shared/limits.js'
import type { CursorScopes } from './cursor-scope.js'
import { readEventsBody, type EventsBody } from './events-body.js'
import {
  bad,
  channelsOf,
  lastOf,
  readEventsRequest,
  type EventsQuestion,
  type EventsRequestResult,
} from './events-request.js'
import type { Identity } from './identity.js'
import { admissionProblem, brokerAway, busy, expiryOf, type Node } from './node.js'
import { PendingPoll } from './pending-poll.js'
import { sendProblem, statusLine, type Ending, type Problem } from './problem.js'
import { openReader } from './reader.js'
import { identifyRequest } from './request-identity.js'
import type { Request } from './request.js'

/** What a poll asks, from the query or from the body. */
interface PollQuestion extends EventsQuestion {
  readonly wait: number
}

type Read<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly problem: Problem }

export function handlePoll(
  node: Node,
  scopes: CursorScopes,
  res: HttpResponse,
  request: Request,
): void {
  const question = questionOfQuery(node, request.query)
  if (question.ok) ask(node, scopes, res, request, question.value)
  else refuse(node, res, request, question.problem)
}

export function handlePollBody(
  node: Node,
  scopes: CursorScopes,
  res: HttpResponse,
  request: Request,
): void {
  readEventsBody(node, res, request, {
    done: (body) => {
      const question = questionOfBody(node, body)
      if (question.ok) ask(node, scopes, res, request, question.value)
      else refuse(node, res, request, question.problem)
    },
    refused: (problem, ending) => refuse(node, res, request, problem, ending),
  })
}

/** The head that a poll with `wait=0` would have, without its content (RFC 9110 9.3.2). */
export function handlePollHead(node: Node, res: HttpResponse, request: Request): void {
  const question = questionOfQuery(node, request.query)
  const admitted = question.ok ? admit(node, request, question.value) : question
  if (!admitted.ok) return refuse(node, res, request, admitted.problem, { isHead: true })
  res.writeStatus(statusLine(200))
  res.writeHeader('Content-Type', 'application/json')
  res.writeHeader('Cache-Control', 'no-store')
  node.origins.writeHeaders(res, request.origin)
  res.endWithoutBody()
}

function ask(
  node: Node,
  scopes: CursorScopes,
  res: HttpResponse,
  request: Request,
  question: PollQuestion,
): void {
  const admitted = admit(node, request, question)
  if (!admitted.ok) return refuse(node, res, request, admitted.problem)
  node.counters.handshakesAccepted.poll += 1
  const deadline = deadlineOf(node, admitted.request.identity, question.wait)
  const poll = new PendingPoll(node, admitted.request, scopes, res, request.origin, deadline)
  openReader(node, poll, admitted.request)
}

/** Not before the token is refused: who polls on with it would be answered at once, in a loop. */
export function deadlineOf(node: Node, { expiresAt }: Identity, wait: number): number {
  return Math.min(node.clock.now() + wait * 1000, expiryOf(node, expiresAt))
}

/** Whether there is a place for one more poll, and who asks may ask that. */
export function admit(node: Node, request: Request, question: EventsQuestion): EventsRequestResult {
  const admission = admissionProblem(node) ?? pendingProblem(node)
  if (admission !== undefined) return { ok: false, problem: admission }
  const identified = identifyRequest(node, request)
  if (!identified.ok) return identified
  const result = readEventsRequest(node, identified.identity, question)
  if (result.ok && !node.hub.isConnected) {
    return { ok: false, problem: brokerAway(node) }
  }
  return result
}

function pendingProblem(node: Node): Problem | undefined {
  if (node.counters.connections.poll < node.settings.pendingPollsMax) return undefined
  return busy(node, 'overloaded', 'This node holds as many pending polls as it may.')
}

function questionOfQuery(node: Node, query: URLSearchParams): Read<PollQuestion> {
  const text = query.get('wait') ?? String(defaultWait(node))
  const wait = /^\d{1,4}$/.test(text) ? Number(text) : undefined
  if (!isWait(node, wait)) return badWait(node)
  const channels = channelsOf(query)
  const cursor = query.get('cursor') ?? undefined
  return { ok: true, value: { channels, cursor, wait, last: lastOf(query) } }
}

/** As the body of a POST has it. */
export function questionOfBody(node: Node, body: EventsBody): Read<PollQuestion> {
  const { wait = defaultWait(node) } = body
  return isWait(node, wait) ? { ok: true, value: { ...body, wait } } : badWait(node)
}

function isWait(node: Node, wait: unknown): wait is number {
  return Number.isInteger(wait) && Number(wait) >= 0 && Number(wait) <= maxWait(node)
}

function maxWait(node: Node): number {
  return node.settings.pollWaitSecondsMax
}

/** Less where the operator allows less: a poll that says nothing must not be a bad request. */
function defaultWait(node: Node): number {
  return Math.min(limits.pollWaitSecondsDefault, maxWait(node))
}

function badWait(node: Node): Read<PollQuestion> {
  return bad(`"wait" must be a whole number of seconds from 0 to ${maxWait(node)}.`)
}

function refuse(
  node: Node,
  res: HttpResponse,
  request: Request,
  problem: Problem,
  ending: Ending = {},
): void {
  node.counters.handshakesRefused.poll += 1
  node.counters.refuse(problem.code)
  const writeHeaders = (): void => node.origins.writeHeaders(res, request.origin)
  sendProblem(res, problem, writeHeaders, ending)
}
