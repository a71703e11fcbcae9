/** `POST /v1/publish`: the publish frame for clients that have no socket (PROTOCOL 8). */
import type { HttpResponse } from 'uWebSockets.js'
import { decodePublishBody } from '../shared/json-codec.js'
import { publishAccess } from './access.js'
import { answerFault } from './fault.js'
import { busy, type Node } from './node.js'
import { sendProblem, type Ending, type Problem } from './problem.js'
import { identifyRequest } from './request-identity.js'
import { readBody } from './request-body.js'
import type { Request } from './request.js'

export function handlePublish(node: Node, res: HttpResponse, request: Request): void {
  let isOpen = true
  const refuse = (problem: Problem, ending: Ending = {}): void => {
    node.counters.refuse(problem.code)
    const writeHeaders = (): void => node.origins.writeHeaders(res, request.origin)
    sendProblem(res, problem, writeHeaders, ending)
  }
  readBody(node, res, {
    done: (body) => {
      // From here on the answer waits for the broker, and the client may leave meanwhile.
      res.onAborted(() => {
        isOpen = false
      })
      node.counters.publishesPending += 1
      const pending = publish(node, request, body).finally(() => {
        node.counters.publishesPending -= 1
      })
      pending.then(
        (problem) => {
          if (problem === undefined) node.counters.publicationsAccepted += 1
          if (!isOpen) return
          if (problem !== undefined) refuse(problem)
          else sendPublished(node, res, request)
        },
        (error: unknown) => {
          if (isOpen) answerFault(node, res, error)
          else node.onInternalError(error)
        },
      )
    },
    failed: (problem) => refuse(problem, { closesConnection: true }),
  })
}

/** Undefined: published. */
async function publish(
  node: Node,
  request: Request,
  body: Uint8Array,
): Promise<Problem | undefined> {
  const { settings, hub } = node
  const identified = identifyRequest(node, request)
  if (!identified.ok) return identified.problem
  const { identity } = identified
  const decoded = decodePublishBody(body)
  if (!decoded.ok) return { code: 'bad_request', detail: decoded.message }
  const { channel, payload, contentType } = decoded.request
  const access = publishAccess(channel, identity, settings.namespaces)
  if (!access.ok) return { code: access.code, detail: access.message }
  if (payload.length > settings.publicationBytesMax) {
    const detail = `A publication has at most ${settings.publicationBytesMax} bytes.`
    return { code: 'too_large', detail }
  }
  const from = { sender: identity.subject, contentType }
  const result = await hub.publish(access.name, payload, from)
  return result.ok ? undefined : publishProblem(node, result.code)
}

/** Why the hub did not take a publication, for frames and for HTTP alike. */
export function publishProblem(node: Node, code: 'bad_request' | 'broker_unavailable'): Problem {
  if (code === 'broker_unavailable') return busy(node, code, 'The message broker is away.')
  return { code, detail: 'The content type or the sender cannot be carried in a header.' }
}

function sendPublished(node: Node, res: HttpResponse, request: Request): void {
  res.cork(() => {
    res.writeStatus('200 OK')
    res.writeHeader('Content-Type', 'application/json')
    res.writeHeader('Cache-Control', 'no-store')
    node.origins.writeHeaders(res, request.origin)
    res.end('{}')
  })
}
