/** The public routes: `/v1/events` decides by what the client can do (PROTOCOL 1, 8). */
import type { HttpRequest, HttpResponse, TemplatedApp } from 'uWebSockets.js'
import type { CursorScopes } from './cursor-scope.js'
import { handleEventStream, handleEventStreamBody } from './event-stream-transport.js'
import { answerFault } from './fault.js'
import { HistoryEndpoint } from './history-endpoint.js'
import { handlePoll, handlePollBody, handlePollHead } from './long-poll-transport.js'
import type { Node } from './node.js'
import { sendProblem, statusLine, type Problem } from './problem.js'
import { PublishEndpoint } from './publish-endpoint.js'
import { copyRequest, isOverlong, manyParameters, type Request } from './request.js'
import { addWebSocketRoute } from './websocket-transport.js'

type Handler = (res: HttpResponse, request: Request) => void

const eventsPath = '/v1/events'
const publishPath = '/v1/publish'
const historyPath = '/v1/history'
/** How long a browser may remember a preflight's answer. */
const preflightSeconds = 7200

export function addRoutes(app: TemplatedApp, node: Node, scopes: CursorScopes): void {
  addWebSocketRoute(app, eventsPath, node)
  const route = new Router(app, node)
  route.add(eventsPath, 'GET', (res, request) => {
    if (isBrokenHandshake(request)) route.refuse(res, request, brokenHandshake)
    else if (acceptsEventStream(request)) handleEventStream(node, scopes, res, request)
    else handlePoll(node, scopes, res, request)
  })
  route.add(eventsPath, 'HEAD', (res, request) => handlePollHead(node, res, request))
  route.add(eventsPath, 'POST', (res, request) => {
    if (acceptsEventStream(request)) handleEventStreamBody(node, scopes, res, request)
    else handlePollBody(node, scopes, res, request)
  })
  route.close(eventsPath, 'GET, HEAD, POST, OPTIONS')
  const publish = new PublishEndpoint(node)
  route.add(publishPath, 'POST', (res, request) => publish.handle(res, request))
  route.close(publishPath, 'POST, OPTIONS')
  const history = new HistoryEndpoint(node)
  route.add(historyPath, 'GET', (res, request) => history.handle(res, request))
  route.close(historyPath, 'GET, OPTIONS')
  route.notFound()
}

/** Nothing may throw out of an engine callback, and each must answer: so all go through here. */
class Router {
  readonly #app: TemplatedApp
  readonly #node: Node

  constructor(app: TemplatedApp, node: Node) {
    this.#app = app
    this.#node = node
  }

  add(path: string, method: 'GET' | 'HEAD' | 'POST', handler: Handler): void {
    const { origins } = this.#node
    const checked: Handler = (res, request) => {
      if (origins.allows(request.origin)) return handler(res, request)
      const detail = 'This origin is not in the allowed origins.'
      this.refuse(res, request, { code: 'origin_refused', detail })
    }
    if (method === 'GET') this.#app.get(path, this.#guard(checked))
    else if (method === 'HEAD') this.#app.head(path, this.#guard(checked))
    else this.#app.post(path, this.#guard(checked))
  }

  /** Answers every other method of the path. */
  close(path: string, allow: string): void {
    const { origins } = this.#node
    this.#app.options(
      path,
      this.#guard((res, request) => {
        res.writeStatus(statusLine(204))
        res.writeHeader('Allow', allow)
        if (request.origin !== '' && origins.allows(request.origin)) {
          res.writeHeader('Access-Control-Allow-Methods', allow)
          res.writeHeader(
            'Access-Control-Allow-Headers',
            'Authorization, Content-Type, Last-Event-ID',
          )
          res.writeHeader('Access-Control-Max-Age', String(preflightSeconds))
        }
        origins.writeHeaders(res, request.origin)
        res.endWithoutBody()
      }),
    )
    this.#app.any(
      path,
      this.#guard((res, request) => {
        const detail = `This path takes ${allow}.`
        this.refuse(res, request, { code: 'method_not_allowed', detail }, allow)
      }),
    )
  }

  notFound(): void {
    this.#app.any(
      '/*',
      this.#guard((res, request) => {
        this.refuse(res, request, { code: 'not_found', detail: 'There is nothing here.' })
      }),
    )
  }

  refuse(res: HttpResponse, request: Request, problem: Problem, allow?: string): void {
    this.#node.counters.refuse(problem.code)
    const writeHeaders = (): void => {
      if (allow !== undefined) res.writeHeader('Allow', allow)
      this.#node.origins.writeHeaders(res, request.origin)
    }
    // Content after the head of an answer to HEAD would be taken for the next answer.
    sendProblem(res, problem, writeHeaders, { isHead: request.method === 'head' })
  }

  #guard(handler: Handler): (res: HttpResponse, req: HttpRequest) => void {
    const node = this.#node
    return (res, req) => {
      try {
        if (isOverlong(req)) return void res.close()
        const request = copyRequest(res, req, node.settings.proxyProtocol)
        if (request.hasManyParameters) this.refuse(res, request, manyParameters)
        else handler(res, request)
      } catch (error) {
        answerFault(node, res, error)
      }
    }
  }
}

/** The engine takes a GET without a proper `Sec-WebSocket-Key` for an ordinary one. */
function isBrokenHandshake({ upgrade }: Request): boolean {
  return /(?:^|,)\s*websocket\s*(?:,|$)/i.test(upgrade)
}

const brokenHandshake: Problem = {
  code: 'bad_request',
  detail: 'A WebSocket handshake needs a Sec-WebSocket-Key of 24 characters.',
}

/** One of the media types that the client takes; their names ignore case (RFC 9110 8.3.1). */
function acceptsEventStream({ accept }: Request): boolean {
  return /(?:^|,)\s*text\/event-stream\s*(?:[;,]|$)/i.test(accept)
}
