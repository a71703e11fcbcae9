/** The admin port: metrics, and whether this node lives and is ready. Never open to the public. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface AdminSources {
  readonly metrics: { readonly contentType: string; read(): Promise<string> }
  /** Why the node is not ready; empty: it is. */
  readonly notReadyReasons: () => readonly string[]
  /** What it cannot do now, ready or not: no reason to send its connections elsewhere. */
  readonly warnings: () => readonly string[]
}

interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

type Route = (sources: AdminSources) => Answer | Promise<Answer>

const routes: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['/health/live', () => json(200, { live: true })],
  ['/health/ready', readiness],
  ['/metrics', metrics],
])

export class AdminServer {
  readonly #sources: AdminSources
  readonly #server: Server

  constructor(sources: AdminSources) {
    this.#sources = sources
    this.#server = createServer((request, response) => void this.#serve(request, response))
  }

  /** Resolves with the port; 0 takes any free one. Rejects when the address cannot be had. */
  async listen(port: number, host: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, host, resolve)
    })
    return (this.#server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, contentType, body } = await this.#answer(request)
    response.writeHead(status, {
      'Content-Type': contentType,
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      ...(status === 405 && { Allow: 'GET, HEAD' }),
    })
    response.end(body)
  }

  async #answer({ url, method }: IncomingMessage): Promise<Answer> {
    const route = routes.get((url ?? '').replace(/\?.*$/, ''))
    if (route === undefined) return text(404, 'There is nothing here.\n')
    if (method !== 'GET' && method !== 'HEAD') return text(405, 'Only GET and HEAD.\n')
    try {
      return await route(this.#sources)
    } catch {
      return text(500, 'The answer could not be made.\n')
    }
  }
}

function readiness({ notReadyReasons, warnings }: AdminSources): Answer {
  const reasons = notReadyReasons()
  const told = warnings()
  const more = told.length > 0 && { warnings: told }
  if (reasons.length === 0) return json(200, { ready: true, ...more })
  return json(503, { ready: false, reasons, ...more })
}

async function metrics(sources: AdminSources): Promise<Answer> {
  const { contentType } = sources.metrics
  return { status: 200, contentType, body: await sources.metrics.read() }
}

function json(status: number, value: unknown): Answer {
  return { status, contentType: 'application/json', body: JSON.stringify(value) }
}

function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body }
}
