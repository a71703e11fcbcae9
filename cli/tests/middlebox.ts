/** What stands between a client and the nodes: forwards, or gets in the way as proxies do. */
import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import type { TestScope } from '../../hub/tests/nats-server.js'

export class Middlebox {
  readonly url: string
  /** The port of the node that gets what comes next. */
  target: number
  blocksUpgrades = false
  /** It lets the head of an event stream through, and holds its events back until it ends. */
  buffersStreams = false
  /** It answers everything itself, with 503 and this `Retry-After`. */
  refusesForSeconds: number | undefined = undefined
  /** Before it forwards anything, or refuses. */
  delayMs = 0
  /** Requests by `GET`, `POST` or `upgrade`, and how many of all were refused. */
  readonly counts = { GET: 0, POST: 0, upgrade: 0, refused: 0 }
  /** WebSockets that are open now. */
  openSockets = 0
  readonly #sockets = new Set<Socket>()

  private constructor(url: string, target: number) {
    this.url = url
    this.target = target
  }

  static async start(scope: TestScope, target: number): Promise<Middlebox> {
    const server = createServer((incoming, answer) => void box.#forward(incoming, answer))
    server.on('upgrade', (incoming: IncomingMessage, socket: Socket) => {
      void box.#upgrade(incoming, socket)
    })
    server.on('connection', (socket: Socket) => {
      box.#sockets.add(socket)
      socket.on('close', () => box.#sockets.delete(socket))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const box = new Middlebox(`http://127.0.0.1:${port}`, target)
    scope.after(() => {
      box.cut()
      server.close()
    })
    return box
  }

  /** Ends every connection of the clients, as a network that goes away does. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async #forward(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method, url, headers } = incoming
    if (method === 'GET' || method === 'POST') this.counts[method] += 1
    if (this.delayMs > 0) await setTimeout(this.delayMs)
    if (this.refusesForSeconds !== undefined) {
      this.counts.refused += 1
      answer.writeHead(503, refusalHeaders(this.refusesForSeconds))
      return void answer.end(refusalBody)
    }
    const onward = request({ host: '127.0.0.1', port: this.target, method, path: url, headers })
    onward.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      answer.flushHeaders()
      const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true
      if (isStream && this.buffersStreams) holdUntilEnd(response, answer)
      else response.pipe(answer)
      // What is complete goes out at its own pace.
      response.on('close', () => response.complete || answer.destroy())
    })
    onward.on('error', () => answer.destroy())
    answer.on('close', () => onward.destroy())
    incoming.pipe(onward)
  }

  async #upgrade({ url, rawHeaders }: IncomingMessage, socket: Socket): Promise<void> {
    this.counts.upgrade += 1
    socket.on('error', () => socket.destroy())
    if (this.blocksUpgrades) return void socket.destroy()
    if (this.delayMs > 0) await setTimeout(this.delayMs)
    if (this.refusesForSeconds !== undefined) {
      this.counts.refused += 1
      return void socket.end(refusalText(this.refusesForSeconds))
    }
    const onward = connect(this.target, '127.0.0.1')
    const lines = [`GET ${url} HTTP/1.1`]
    for (let at = 0; at < rawHeaders.length; at += 2) {
      lines.push(`${rawHeaders[at]}: ${rawHeaders[at + 1]}`)
    }
    onward.write(`${lines.join('\r\n')}\r\n\r\n`)
    onward.on('error', () => socket.destroy())
    onward.on('close', () => socket.destroy())
    this.openSockets += 1
    socket.on('close', () => {
      this.openSockets -= 1
      onward.destroy()
    })
    socket.pipe(onward).pipe(socket)
  }
}

function holdUntilEnd(response: IncomingMessage, answer: ServerResponse): void {
  const chunks: Buffer[] = []
  response.on('data', (chunk: Buffer) => chunks.push(chunk))
  response.on('end', () => answer.end(Buffer.concat(chunks)))
}

const refusalBody = JSON.stringify({ status: 503, code: 'overloaded', detail: 'come back later' })

function refusalHeaders(seconds: number): Record<string, string> {
  return {
    'Content-Type': 'application/problem+json',
    'Content-Length': String(refusalBody.length),
    'Retry-After': String(seconds),
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': 'Retry-After',
  }
}

function refusalText(seconds: number): string {
  const lines = Object.entries(refusalHeaders(seconds)).map(([name, value]) => `${name}: ${value}`)
  return `HTTP/1.1 503 Service Unavailable\r\n${lines.join('\r\n')}\r\n\r\n${refusalBody}`
}
