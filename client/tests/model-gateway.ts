/** Two gateway nodes in memory, behind one address, that speak the real wire and fail by chance. */
import type { PublicationFrame } from '../../shared/frames.js'
import type { OpenSocket } from '../websocket-transport.js'
import type { Chance } from './model-chance.js'
import type { FakeClock } from './fake-clock.js'
import { ModelHistory } from './model-history.js'
import { ModelNode, type ClusterState } from './model-node.js'
import { durableNamespace } from './model-reading.js'
import { ModelRequest } from './model-request.js'
import { ModelSocket, SocketPeer } from './model-socket.js'

/** What stands in the way of a transport: it says no, or lets the head through and nothing else. */
export type Barrier = 'refuses' | 'swallows'

export interface ModelOptions {
  readonly clock: FakeClock
  readonly chance: Chance
  /** What every token subscribes. */
  readonly claims: readonly string[]
  readonly tokenMs: number
}

export class ModelGateway {
  readonly nodes: readonly ModelNode[]
  /** What the client holds open: sockets, requests, streams. */
  readonly open: Set<object> = new Set<object>()
  readonly state: ClusterState
  /** By what a request asks for. */
  readonly barriers: Map<'websocket' | 'event-stream', Barrier> = new Map<
    'websocket' | 'event-stream',
    Barrier
  >()
  isOffline = false
  readonly #tokenMs: number
  #tokens = 0
  /** Where the load balancer has sent the client. */
  #sticky: ModelNode | undefined

  constructor({ clock, chance, claims, tokenMs }: ModelOptions) {
    const histories = new Map(
      ['orders', 'docs'].map((namespace) => [namespace, new ModelHistory(clock)]),
    )
    this.state = { clock, chance, histories, claims, cursorVersion: 1, faults: [] }
    this.#tokenMs = tokenMs
    this.nodes = [new ModelNode(this.state, 0), new ModelNode(this.state, 1)]
  }

  token(): string {
    if (this.state.chance.has('noToken')) throw new Error('there is no token now')
    this.#tokens += 1
    return `${this.#tokens}_${Math.round(this.state.clock.now()) + this.#tokenMs}`
  }

  /** Returns its offset, in a durable channel. */
  publish(channel: string, data: number, hole = 0, isEnd = false): number | undefined {
    const history = this.history(channel)
    const stored = history?.publish(channel, data, hole, isEnd)
    const time = this.state.clock.now()
    const frame: PublicationFrame = { type: 'publication', channel, time, data }
    for (const node of this.nodes) {
      if (stored === undefined) node.publish(frame)
      else node.pull()
    }
    return stored?.offset
  }

  history(name: string): ModelHistory | undefined {
    const namespace = durableNamespace(name) ? name.split('.')[0] : undefined
    return namespace === undefined ? undefined : this.state.histories.get(namespace)
  }

  /** A history is deleted and made anew. */
  renew(namespace: string): void {
    this.state.histories.get(namespace)?.renew()
    for (const node of this.nodes) node.pull()
  }

  /** A fault of the gateway's: the next publication of a durable channel is left out. */
  leak(name: string): void {
    if (!durableNamespace(name)) return
    for (const node of this.nodes) for (const each of node.connections) each.leak(name)
  }

  /** Everything works again. */
  heal(): void {
    this.state.chance.heal()
    this.barriers.clear()
    this.isOffline = false
    for (const node of this.nodes) {
      node.see()
      if (node.state === 'down') node.restart()
    }
  }

  readonly openSocket: OpenSocket = (_url, [, credential = '']) => {
    const { clock, chance } = this.state
    const socket = new ModelSocket(() => this.open.delete(socket))
    this.open.add(socket)
    const barrier = this.barriers.get('websocket')
    const node = this.#node()
    if (barrier === 'swallows') return socket
    if (barrier === 'refuses' || node === undefined) {
      clock.after(chance.upTo(50), () => socket.end({ code: 1006, reason: '' }))
      return socket
    }
    const peer = new SocketPeer(node, socket)
    socket.meets(peer)
    clock.after(chance.delayMs(), () => peer.welcome(credential))
    return socket
  }

  readonly fetch: typeof fetch = (_input, init = {}) =>
    new Promise<Response>((resolve, reject) => {
      init.signal?.throwIfAborted()
      this.#request(init, resolve, reject)
    })

  #request(
    init: RequestInit,
    resolve: (response: Response) => void,
    reject: (reason: unknown) => void,
  ): void {
    const { clock, chance } = this.state
    const call = {}
    this.open.add(call)
    const over = (): void => void this.open.delete(call)
    const lose = (): void => {
      over()
      reject(new TypeError('fetch failed'))
    }
    let isGivenUp = false
    let request: ModelRequest | undefined
    init.signal?.addEventListener('abort', () => {
      isGivenUp = true
      over()
      request?.giveUp(init.signal?.reason)
      reject(init.signal?.reason)
    })
    const isStream = new Headers(init.headers).get('accept') === 'text/event-stream'
    const barrier = isStream ? this.barriers.get('event-stream') : undefined
    if (barrier === 'swallows') {
      const body = new ReadableStream<Uint8Array>({ cancel: over })
      return resolve(new Response(body))
    }
    clock.after(chance.delayMs(), () => {
      const node = this.#node()
      if (isGivenUp || chance.has('silence')) return
      if (node === undefined || chance.has('cut')) return lose()
      if (barrier === 'refuses') {
        over()
        return resolve(new Response('<html>', { status: 502 }))
      }
      const answer = (response: Response): void =>
        void clock.after(chance.delayMs(), () => (chance.has('cut') ? lose() : resolve(response)))
      request = new ModelRequest(node, init, { answer, lose, over })
      request.start()
    })
  }

  /** The one that a load balancer gives. */
  #node(): ModelNode | undefined {
    if (this.isOffline) return undefined
    const [up, draining] = ['up', 'draining'].map((state) =>
      this.nodes.filter((node) => node.state === state),
    )
    const able = up?.length ? up : (draining ?? [])
    const { chance } = this.state
    const mayStay = this.#sticky !== undefined && able.includes(this.#sticky)
    if (!mayStay || chance.has('wander')) this.#sticky = chance.pick(able)
    return this.#sticky
  }
}
