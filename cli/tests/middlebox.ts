/** What stands between a client and the nodes: forwards, or gets in the way as proxies do. */
import { once } from 'node:events'
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { TestScope } from '../../hub/tests/nats-server.js'

export class Middlebox {
  readonly url: string
  /** The port of the node that gets what comes next. */
  target: number
  blocksUpgrades = false
  /** It lets the head of an event stream through, and holds its events back. */
  buffersStreams = false
  /** Requests by `GET`, `POST` or `upgrade`. */
  readonly counts = { GET: 0, POST: 0, upgrade: 0 }
  /** WebSockets that are open now. */
  openSockets = 0

  private constructor(url: string, target: number) {
    this.url = url
    this.target = target
  }

  static async start(scope: TestScope, target: number): Promise<Middlebox> {
    const server = createServer((incoming, answer) => box.#forward(incoming, answer))
    server.on('upgrade', (incoming: IncomingMessage, socket: Socket) => {
      box.#upgrade(incoming, socket)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const box = new Middlebox(`http://127.0.0.1:${port}`, target)
    scope.after(() => {
      server.closeAllConnections()
      server.close()
    })
    return box
  }

  #forward(incoming: IncomingMessage, answer: ServerResponse): void {
    const { method, url, headers } = incoming
    if (method === 'GET' || method === 'POST') this.counts[method] += 1
    const onward = request({ host: '127.0.0.1', port: this.target, method, path: url, headers })
    onward.on('response', (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      answer.flushHeaders()
      const isStream = response.headers['content-type']?.startsWith('text/event-stream') === true
      if (isStream && this.buffersStreams) response.resume()
      else response.pipe(answer)
      response.on('close', () => answer.destroy())
    })
    onward.on('error', () => answer.destroy())
    answer.on('close', () => onward.destroy())
    incoming.pipe(onward)
  }

  #upgrade({ url, rawHeaders }: IncomingMessage, socket: Socket): void {
    this.counts.upgrade += 1
    socket.on('error', () => socket.destroy())
    if (this.blocksUpgrades) return void socket.destroy()
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
