/** A storm never turns WebSocket clients into pollers, and does not become a flood of requests. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { nodeTransports } from '../../client/tests/node-transports.js'
import { Tidegate } from '../../client/tidegate.js'
import { mint } from '../../gateway/tests/tokens.js'
import { startNats } from '../../hub/tests/nats-server.js'
import { pause } from '../../loadtest/wait.js'
import { Middlebox } from './middlebox.js'
import { eventually, startNode, type NodeProcess } from './processes.js'

/** Half of them are connected before the storm, half come in the midst of it. */
const clientsMax = 200
const refusalSeconds = 2
const refusedForMs = 6_000
const slowMs = 1_500
const flickerMs = 300
const flickers = 20
/** WebSockets, and the questions by HTTP whose fault it is, of a client in a storm of 15 s. */
const requestsMax = 16

const token = mint({ sub: 'storm', subscribe: ['>'] })

class Client {
  readonly tidegate: Tidegate
  readonly connections: string[] = []
  isSubscribed = false
  heard = 0

  constructor(gateway: string) {
    this.tidegate = new Tidegate(gateway, { token: () => token, transports: nodeTransports })
    this.tidegate.on('state', ({ state }) => {
      if (state.type === 'connected') this.connections.push(state.transport)
      else this.isSubscribed = false
    })
    const news = this.tidegate.channel('news')
    news.on('subscribed', () => (this.isSubscribed = true))
    news.on('publication', () => (this.heard += 1))
  }

  get isUp(): boolean {
    return this.tidegate.state.type === 'connected' && this.isSubscribed
  }
}

/** Two nodes, each behind a box of its own, and the clients of both. */
class Storm {
  readonly clients: Client[] = []
  readonly #t: TestContext
  readonly #natsUrl: string
  #nodes: readonly NodeProcess[] = []
  #boxes: readonly Middlebox[] = []

  constructor(t: TestContext, natsUrl: string) {
    this.#t = t
    this.#natsUrl = natsUrl
  }

  async startNodes(): Promise<void> {
    const env = {
      TIDEGATE_NATS_URL: this.#natsUrl,
      TIDEGATE_NAMESPACES: '{"default":{}}',
      TIDEGATE_PROVISION: 'true',
    }
    this.#nodes = [await startNode(this.#t, env), await startNode(this.#t, env)]
    for (const node of this.#nodes) await node.untilReady()
    if (this.#boxes.length === 0) {
      const boxes = this.#nodes.map(({ port }) => Middlebox.start(this.#t, port))
      this.#boxes = await Promise.all(boxes)
    }
    for (const [at, { port }] of this.#nodes.entries()) this.set({ target: port }, at)
  }

  async killNodes(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.end('SIGKILL')))
  }

  /** How the boxes behave, or one of them. */
  set(way: Partial<Pick<Middlebox, 'target' | 'refusesForSeconds' | 'delayMs'>>, at?: number) {
    for (const box of at === undefined ? this.#boxes : this.#boxes.slice(at, at + 1)) {
      Object.assign(box, way)
    }
  }

  cut(): void {
    for (const box of this.#boxes) box.cut()
  }

  /** As many for each node. */
  open(count: number): void {
    for (let number = 0; number < count; number += 1) {
      const client = new Client((this.#boxes[number % 2] as Middlebox).url)
      this.#t.after(() => client.tidegate.close())
      this.clients.push(client)
    }
  }

  async untilUp(): Promise<void> {
    const down = (): readonly Client[] => this.clients.filter(({ isUp }) => !isUp)
    await eventually('all are up', async () => down().length === 0, 90_000).catch(() => {
      const states = down().map(({ tidegate }) => JSON.stringify(tidegate.state))
      assert.fail(`${states.length} are down:\n${[...new Set(states)].join('\n')}`)
    })
  }

  /** By no other transport, ever. */
  assertWebSockets(): void {
    const used = this.clients.flatMap(({ connections }) => connections)
    assert.deepEqual([...new Set(used)], ['websocket'])
    for (const { tidegate } of this.clients) {
      assert.deepEqual(tidegate.state, { type: 'connected', transport: 'websocket' })
    }
  }

  get requestsPerClient(): number {
    const of = ({ counts }: Middlebox): number => counts.GET + counts.POST + counts.upgrade
    return this.#boxes.reduce((sum, box) => sum + of(box), 0) / this.clients.length
  }
}

test(
  '200 clients stay by WebSocket, whatever their nodes go through together',
  { timeout: 180_000 },
  async (t) => {
    const nats = await startNats(t, { jetStream: true })
    const service = await nats.connect()
    const storm = new Storm(t, nats.url)
    await storm.startNodes()
    storm.open(clientsMax / 2)
    await storm.untilUp()
    const proven = [...storm.clients]
    assert.equal(storm.requestsPerClient, 1)

    await storm.killNodes()
    for (let missed = 0; missed < 3; missed += 1) await service.request('rt.pub.news', `${missed}`)
    storm.open(clientsMax / 2)
    // Nobody is there for as long as two nodes take to start, one after the other.
    await storm.startNodes()
    storm.set({ refusesForSeconds: refusalSeconds })
    await pause(refusedForMs)
    storm.set({ refusesForSeconds: undefined, delayMs: slowMs })
    await storm.untilUp()
    await eventually('all have what they missed', async () => {
      return proven.every(({ heard }) => heard === 3)
    })
    storm.assertWebSockets()
    t.diagnostic(`dead, refused, slow: ${storm.requestsPerClient.toFixed(1)} requests a client`)
    assert.ok(storm.requestsPerClient <= requestsMax)
  },
)

test(
  'clients whose every other request is refused for a while end by WebSocket, too',
  { timeout: 180_000 },
  async (t) => {
    const nats = await startNats(t, { jetStream: true })
    const storm = new Storm(t, nats.url)
    await storm.startNodes()
    storm.open(clientsMax)
    await storm.untilUp()
    storm.set({ refusesForSeconds: 0 })
    storm.cut()
    for (let flicker = 0; flicker < flickers; flicker += 1) {
      await pause(flickerMs)
      storm.set({ refusesForSeconds: flicker % 2 === 0 ? undefined : 0 })
    }
    storm.set({ refusesForSeconds: undefined })
    await storm.untilUp()
    storm.assertWebSockets()
    t.diagnostic(`${storm.requestsPerClient.toFixed(1)} requests a client`)
    assert.ok(storm.requestsPerClient <= requestsMax)
  },
)
