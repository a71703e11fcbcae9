/** The WebSocket route: admission and authentication at the upgrade, then a connection. */
import type {
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_socket_context_t,
  WebSocket,
  WebSocketBehavior,
} from 'uWebSockets.js'
import { closeCode } from '../shared/codes.js'
import type { TokenRefusal } from './authenticator.js'
import { answerFault, guard } from './fault.js'
import { admissionProblem, busy, type Node } from './node.js'
import { sendProblem, type Problem } from './problem.js'
import { KeyedRateLimit } from './rate-limit.js'
import { copyRequest, hasMore, isOverlong, manyParameters, type Request } from './request.js'
import { findToken } from './token-source.js'
import { engineBackpressureMax, type SocketData, type SocketOwner } from './socket-owner.js'
import { WebSocketConnection } from './websocket-connection.js'
import { handleFrame } from './websocket-frames.js'
import { chooseFormat, type WireFormat } from './wire-format.js'

/**
 * Of our own frame limit, so that ours answers with a code instead of a bare 1009. The engine makes
 * room for a whole message when it has begun: so much may each connection make us hold.
 */
const enginePayloadFactor = 2
/** Offered in one handshake; two are of use, the token's among them. */
const protocolsMax = 16
const refusedAddressesMax = 10_000
/** The engine checks for silence every 4 s, and takes 8 to 960 s. */
const engineTimerSeconds = 4

export function addWebSocketRoute(app: TemplatedApp, path: string, node: Node): void {
  const upgrade = new Upgrade(node)
  const behavior: WebSocketBehavior<SocketData> = {
    maxPayloadLength: enginePayloadFactor * node.settings.frameBytesMax,
    maxBackpressure: engineBackpressureMax,
    // Two pings of ours unanswered. Ours are jittered and leave together with the heartbeat frame.
    idleTimeout: idleTimeoutSeconds(node.settings.heartbeatSeconds),
    sendPingsAutomatically: false,
    upgrade: (res, req, context) => {
      try {
        upgrade.handle(res, req, context)
      } catch (error) {
        answerFault(node, res, error)
      }
    },
    open: (ws) => guard(node, () => ws.getUserData().connection.opened(ws)),
    message: (ws, bytes, isBinary) =>
      guard(node, () => ws.getUserData().connection.message(bytes, isBinary)),
    drain: (ws) => guard(node, () => ws.getUserData().connection.drained()),
    close: (ws) => guard(node, () => ws.getUserData().connection.closed()),
  }
  app.ws(path, behavior)
}

export function idleTimeoutSeconds(heartbeatSeconds: number): number {
  return Math.ceil((2 * heartbeatSeconds + engineTimerSeconds) / engineTimerSeconds) * 4
}

/**
 * Synchronous from the request to the upgrade: where something is awaited in between, the engine's
 * builds close a share of the sockets as soon as `open` sends.
 */
class Upgrade {
  readonly #node: Node
  readonly #refusals: KeyedRateLimit

  constructor(node: Node) {
    this.#node = node
    const perSecond = node.settings.browserRefusalsPerSecondMax
    this.#refusals = new KeyedRateLimit(perSecond, perSecond, refusedAddressesMax)
  }

  handle(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    if (isOverlong(req)) return void res.close()
    const node = this.#node
    const request = copyRequest(res, req, node.settings.proxyProtocol)
    const problem = admissionProblem(node) ?? upgradeProblem(req) ?? originProblem(node, request)
    if (problem !== undefined) return this.#refuse(res, problem, request)

    const offered = req.getHeader('sec-websocket-protocol')
    const tooMany = tooManyProblem(request, offered)
    if (tooMany !== undefined) return this.#refuse(res, tooMany, request)
    const protocols = splitList(offered)
    const found = findToken(request.authorization, protocols, request.query)
    if (!found.ok) return this.#refuse(res, badRequest(found.message), request)
    const format = chooseFormat(protocols)
    const accept = (connection: SocketOwner): void => {
      res.upgrade(
        { connection },
        req.getHeader('sec-websocket-key'),
        protocols.includes(format.subprotocol) ? format.subprotocol : '',
        req.getHeader('sec-websocket-extensions'),
        context,
      )
    }
    const verdict = node.authenticator.authenticate(found.token)
    if (!verdict.ok) return this.#refuseToken(res, verdict.code, verdict.message, request, accept)
    node.counters.handshakesAccepted.websocket += 1
    accept(connect(node, verdict.identity, format))
  }

  /**
   * A page cannot read a refused upgrade, so it is upgraded and closed with code and reason; so
   * many times a second for one address, then it is refused as everybody else (PROTOCOL 3.7).
   */
  #refuseToken(
    res: HttpResponse,
    code: TokenRefusal,
    message: string,
    request: Request,
    accept: (connection: SocketOwner) => void,
  ): void {
    const node = this.#node
    if (request.origin !== '' && this.#refusals.take(request.address(), node.clock.now())) {
      node.counters.handshakesRefused.websocket += 1
      node.counters.refuse(code)
      return accept(new RefusedSocket(code))
    }
    const problem = code === 'key_unknown' ? busy(node, code, message) : { code, detail: message }
    this.#refuse(res, problem, request)
  }

  #refuse(res: HttpResponse, problem: Problem, { origin }: Request): void {
    const { counters, origins } = this.#node
    counters.handshakesRefused.websocket += 1
    counters.refuse(problem.code)
    sendProblem(res, problem, () => {
      if (problem.code === 'upgrade_required') {
        res.writeHeader('Upgrade', 'websocket')
        res.writeHeader('Sec-WebSocket-Version', '13')
      }
      origins.writeHeaders(res, origin)
    })
  }
}

function connect(node: Node, identity: WebSocketConnection['identity'], format: WireFormat) {
  return new WebSocketConnection(node, identity, format, handleFrame)
}

/** Opened only so that the page hears why it is refused. */
class RefusedSocket implements SocketOwner {
  readonly #code: TokenRefusal

  constructor(code: TokenRefusal) {
    this.#code = code
  }

  opened(socket: WebSocket<SocketData>): void {
    socket.end(closeCode[this.#code], this.#code)
  }

  message(): void {}
  drained(): void {}
  closed(): void {}
}

function badRequest(detail: string): Problem {
  return { code: 'bad_request', detail }
}

/** The engine upgrades any GET with a `Sec-WebSocket-Key`; RFC 6455 4.2.1 asks for more. */
function upgradeProblem(req: HttpRequest): Problem | undefined {
  const isUpgrade = /(?:^|,)\s*websocket\s*(?:,|$)/i.test(req.getHeader('upgrade'))
  if (isUpgrade && req.getHeader('sec-websocket-version') === '13') return undefined
  const detail = 'A WebSocket needs "Upgrade: websocket" and "Sec-WebSocket-Version: 13".'
  return { code: 'upgrade_required', detail }
}

function tooManyProblem(request: Request, offered: string): Problem | undefined {
  if (request.hasManyParameters) return manyParameters
  if (!hasMore(offered, ',', protocolsMax - 1)) return undefined
  return badRequest(`A handshake offers at most ${protocolsMax} subprotocols.`)
}

function originProblem({ origins }: Node, { origin }: Request): Problem | undefined {
  if (origins.allows(origin)) return undefined
  return { code: 'origin_refused', detail: 'This origin is not in the allowed origins.' }
}

function splitList(header: string): readonly string[] {
  return header.split(',').map((item) => item.trim())
}
