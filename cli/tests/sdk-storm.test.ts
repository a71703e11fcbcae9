/** A storm never turns WebSocket clients into pollers, and does not become a flood of requests. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { nodeTransports } from '../../client/tests/node-transports.js'
import { Tidegate } from '../../client/tidegate.js'
import { startNats } from '../../hub/tests/nats-server.js'
import { pause } from '../../loadtest/wait.js'
import { mint } from '../../gateway/tests/tokens.js'
import { Middlebox } from './middlebox.js'
import { eventually, startNode, type NodeProcess } from './processes.js'

const clientsPerNode = 100
const refusalSeconds = 2

class Client {
  readonly tidegate: Tidegate
  readonly connections: string[] = []
  isSubscribed = false
  heard = 0

  constructor(gateway: string, token: string) {
    this.tidegate = new Tidegate(gateway, { token: () => token, transports: nodeTransports })
    this.tidegate.on('state', ({ state }) => {
      if (state.type === 'connected') this.connections.push(state.transport)
      else this.isSubscribed = false
    })
    const news = this.tidegate.channel('news')
    news.on('subscribed', () => (this.isSubscribed = true))
    news.on('publication', () => (this.heard += 1))
  }
}

function isUp({ tidegate: { state }, isSubscribed }: Client): boolean {
  return state.type === 'connected' && state.transport === 'websocket' && isSubscribed
}

async function untilAllUp(clients: readonly Client[]): Promise<void> {
  const down = (): readonly Client[] => clients.filter((client) => !isUp(client))
  await eventually('all are up', async () => down().length === 0, 90_000).catch(() => {
    const states = down().map(({ tidegate }) => JSON.stringify(tidegate.state))
    assert.fail(`${states.length} are down:\n${[...new Set(states)].join('\n')}`)
  })
}

function requestsOf(boxes: readonly Middlebox[]): number {
  return boxes.reduce((sum, { counts }) => sum + counts.GET + counts.POST + counts.upgrade, 0)
}

test(
  '200 clients by WebSocket stay so, whatever their two nodes go through together',
  { timeout: 180_000 },
  async (t: TestContext) => {
    const nats = await startNats(t, { jetStream: true })
    const service = await nats.connect()
    const env = {
      TIDEGATE_NATS_URL: nats.url,
      TIDEGATE_NAMESPACES: '{"default":{}}',
      TIDEGATE_PROVISION: 'true',
    }
    const startTwo = async (): Promise<readonly NodeProcess[]> => {
      const nodes = [await startNode(t, env), await startNode(t, env)]
      for (const node of nodes) await node.untilReady()
      return nodes
    }
    const nodes = await startTwo()
    const boxes: Middlebox[] = []
    for (const { port } of nodes) boxes.push(await Middlebox.start(t, port))
    const token = mint({ sub: 'storm', subscribe: ['>'] })
    const clients = boxes.flatMap(({ url }) => {
      return Array.from({ length: clientsPerNode }, () => new Client(url, token))
    })
    t.after(() => clients.forEach(({ tidegate }) => tidegate.close()))
    await untilAllUp(clients)
    assert.equal(requestsOf(boxes), clients.length)

    await Promise.all(nodes.map((node) => node.end('SIGKILL')))
    for (let missed = 0; missed < 3; missed += 1) await service.request('rt.pub.news', `${missed}`)
    // Nobody is there for as long as two nodes take to start.
    const next = await startTwo()
    for (const [at, box] of boxes.entries()) {
      box.target = (next[at] as NodeProcess).port
      box.refusesForSeconds = refusalSeconds
    }
    await pause(3 * refusalSeconds * 1000)
    for (const box of boxes) {
      box.refusesForSeconds = undefined
      box.delayMs = 1_500
    }
    await untilAllUp(clients)
    await eventually('all have what they missed', async () => {
      return clients.every(({ heard }) => heard === 3)
    })

    const others = clients.flatMap(({ connections }) => connections)
    assert.deepEqual([...new Set(others)], ['websocket'])
    const perClient = requestsOf(boxes) / clients.length
    const refused = boxes.reduce((sum, { counts }) => sum + counts.refused, 0) / clients.length
    t.diagnostic(
      `requests a client: ${perClient.toFixed(1)}, of them refused: ${refused.toFixed(1)}`,
    )
    t.diagnostic(JSON.stringify(boxes.map(({ counts }) => counts)))
  },
)
