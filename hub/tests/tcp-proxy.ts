/** A TCP proxy between a gateway and its nats-server: cuts, refuses, freezes, loses messages. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { covers } from '../../shared/pattern.js'
import { MessageFilter } from './message-filter.js'
import { host, type TestScope } from './nats-server.js'

interface Pair {
  readonly client: Socket
  readonly server: Socket
}

interface Drop {
  readonly pattern: string
  left: number
  readonly fits: (payload: string) => boolean
}

export class TcpProxy {
  readonly url: string
  readonly #listener: Server
  readonly #pairs = new Set<Pair>()
  #isRefusing = false
  #isFrozen = false
  #drops: Drop[] = []
  #dropped = 0

  constructor(listener: Server, targetPort: number) {
    this.#listener = listener
    this.url = `nats://${host}:${(listener.address() as AddressInfo).port}`
    listener.on('connection', (client: Socket) => this.#accept(client, targetPort))
  }

  get connections(): number {
    return this.#pairs.size
  }

  /** Messages that were lost on their way so far. */
  get dropped(): number {
    return this.#dropped
  }

  /**
   * Every connection breaks, without a word. New ones are taken. Not by `resetAndDestroy`: a socket
   * that still has bytes to send is polled for ever then (Node 20), and the process never ends.
   */
  cutAll(): void {
    for (const { client, server } of this.#pairs) {
      client.destroy()
      server.destroy()
    }
  }

  /** New connections break at once, until `accept`. */
  refuse(): void {
    this.#isRefusing = true
  }

  accept(): void {
    this.#isRefusing = false
  }

  /** Nothing passes in either direction, and nothing breaks, until `thaw`. */
  freeze(): void {
    this.#isFrozen = true
    for (const { client, server } of this.#pairs) for (const one of [client, server]) one.pause()
  }

  /** What was sent meanwhile passes now. */
  thaw(): void {
    this.#isFrozen = false
    for (const { client, server } of this.#pairs) for (const one of [client, server]) one.resume()
  }

  /**
   * The next so many messages to clients whose subject the pattern covers (and which fit) are lost
   * on their way; everything else flows. Each delivery counts: a message to two connections is two.
   */
  drop(pattern: string, count = 1, fits: (payload: string) => boolean = () => true): void {
    this.#drops.push({ pattern, left: count, fits })
  }

  close(): Promise<void> {
    this.cutAll()
    return new Promise((resolve) => this.#listener.close(() => resolve()))
  }

  #accept(client: Socket, targetPort: number): void {
    client.on('error', () => {})
    if (this.#isRefusing) {
      client.destroy()
      return
    }
    const server = connect(targetPort, host)
    server.on('error', () => {})
    const pair = { client, server }
    this.#pairs.add(pair)
    const filter = new MessageFilter((subject, bytes) => this.#isDropped(subject, bytes))
    client.on('data', (bytes: Buffer) => forward(client, server, bytes))
    server.on('data', (bytes: Buffer) => forward(server, client, filter.push(bytes)))
    client.on('drain', () => this.#isFrozen || server.resume())
    server.on('drain', () => this.#isFrozen || client.resume())
    const end = (): void => {
      this.#pairs.delete(pair)
      client.destroy()
      server.destroy()
    }
    client.on('close', end)
    server.on('close', end)
    if (this.#isFrozen) this.freeze()
  }

  #isDropped(subject: string, bytes: Buffer): boolean {
    const payload = bytes.toString()
    const drop = this.#drops.find(({ pattern, left, fits }) => {
      return left > 0 && covers(pattern, subject) && fits(payload)
    })
    if (drop === undefined) return false
    drop.left -= 1
    this.#dropped += 1
    return true
  }
}

function forward(from: Socket, to: Socket, bytes: Buffer): void {
  if (!to.write(bytes)) from.pause()
}

/** A proxy to a port of this machine, on a port of its own. Ends with the scope. */
export async function startProxy(scope: TestScope, targetPort: number): Promise<TcpProxy> {
  const listener = createServer()
  await new Promise<void>((resolve, reject) => {
    listener.on('error', reject)
    listener.listen(0, host, resolve)
  })
  const proxy = new TcpProxy(listener, targetPort)
  scope.after(() => proxy.close())
  return proxy
}
