/** Many clients of every transport on two nodes: each hears everything of its channel, once. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startNats } from '../../hub/tests/nats-server.js'
import { mint } from '../../gateway/tests/tokens.js'
import { listen, type Listener, type TransportName } from './listeners.js'
import {
  limit,
  eventually,
  openScope,
  startNode,
  type NodeProcess,
  type OpenScope,
} from './processes.js'

const channelCount = 20
const publicationsEach = 100
const clients: readonly (readonly [TransportName, number])[] = [
  ['json', 500],
  ['msgpack', 500],
  ['sse', 200],
  ['long-poll', 150],
  ['short-poll', 50],
]
/** Handshakes under way at a time: this process is a client, not an army. */
const handshakesMax = 50
const patienceMs = 60_000

const token = mint({ sub: 'reader', subscribe: ['*'] })

async function startNodes(t: TestContext, url: string): Promise<readonly NodeProcess[]> {
  const env = { TIDEGATE_NATS_URL: url }
  const nodes = await Promise.all([startNode(t, env), startNode(t, env)])
  await Promise.all(nodes.map((node) => node.untilReady()))
  return nodes
}

async function connectAll(scope: OpenScope, nodes: readonly NodeProcess[]): Promise<Listener[]> {
  const wanted = clients.flatMap(([transport, count]) =>
    Array.from({ length: count }, () => transport),
  )
  const listeners: Listener[] = []
  for (let at = 0; at < wanted.length; at += handshakesMax) {
    const batch = wanted.slice(at, at + handshakesMax).map((transport, offset) => {
      const number = at + offset
      const node = nodes[number % nodes.length] as NodeProcess
      const channel = `load-${Math.floor(number / nodes.length) % channelCount}`
      return listen(scope, transport, node, token, [channel])
    })
    listeners.push(...(await Promise.all(batch)))
  }
  return listeners
}

async function assertGone(node: NodeProcess): Promise<void> {
  for (const line of [
    'tidegate_connections{transport="websocket"}',
    'tidegate_connections{transport="sse"}',
    'tidegate_connections{transport="poll"}',
    'tidegate_subscriptions',
    'tidegate_outboxes_bytes',
  ]) {
    await eventually(`${line} is 0`, async () => (await node.metric(line)) === 0)
  }
  assert.equal(await node.metric('tidegate_internal_errors_total'), 0)
  for (const transport of ['websocket', 'sse']) {
    const dropped = `tidegate_deliveries_dropped_total{transport="${transport}"}`
    assert.equal(await node.metric(dropped), 0)
  }
}

test(
  '1,400 clients of two nodes hear all of their channel, once and in order (PROTOCOL 5.7, 11.1)',
  limit,
  async (t) => {
    const nats = await startNats(t)
    const service = await nats.connect()
    const nodes = await startNodes(t, nats.url)
    const scope = openScope()
    t.after(() => scope.end())
    const listeners = await connectAll(scope, nodes)
    for (let n = 0; n < publicationsEach; n += 1) {
      for (let channel = 0; channel < channelCount; channel += 1) {
        service.publish(`rt.pub.load-${channel}`, String(n))
      }
      await service.flush()
    }
    const all = Array.from({ length: publicationsEach }, (_, n) => n).join()
    for (const listener of listeners) {
      await listener.untilHeard(publicationsEach, patienceMs)
      const { heard, names, transport, gaps } = listener
      assert.equal(heard.map(({ payload }) => payload.toString()).join(), all, transport)
      assert.deepEqual(new Set(heard.map(({ channel }) => channel)), new Set(names))
      assert.deepEqual(gaps, [])
    }
    await scope.end()
    for (const node of nodes) await assertGone(node)
  },
)
