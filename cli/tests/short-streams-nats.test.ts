/** Short streams of two real nodes over a real nats-server: one goes on where another ended. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { headers as natsHeaders, type NatsConnection } from '@nats-io/transport-node'
import { range } from '../../gateway/tests/durable-orders.js'
import { TestStream } from '../../gateway/tests/event-stream-client.js'
import { readShort, saidIn, ShortFollower, whole } from '../../gateway/tests/short-stream-client.js'
import { mint } from '../../gateway/tests/tokens.js'
import { startNats } from '../../hub/tests/nats-server.js'
import { eventually, fileScope, limit, startNode, type NodeProcess } from './processes.js'

const scope = fileScope()
const token = mint({ subscribe: ['>'] })
let env: Readonly<Record<string, string>>
let service: NatsConnection
let nodes: readonly [NodeProcess, NodeProcess]

before(async () => {
  const server = await startNats(scope, { jetStream: true })
  service = await server.connect()
  env = {
    TIDEGATE_NATS_URL: server.url,
    TIDEGATE_PROVISION: 'true',
    TIDEGATE_NAMESPACES: JSON.stringify({
      default: { history: false },
      orders: { history: { messagesPerChannel: 10_000 } },
    }),
  }
  nodes = [await startNode(scope, env), await startNode(scope, env)]
  await Promise.all(nodes.map((node) => node.untilReady()))
})

/** Stored when it resolves, if the channel is durable. */
async function publish(channel: string, data: unknown, ends = false): Promise<void> {
  const payload = JSON.stringify(data)
  const headers = natsHeaders()
  if (ends) headers.set('Tidegate-End', '1')
  if (channel === 'news') service.publish('rt.pub.news', payload)
  else await service.request(`rt.pub.${channel}`, payload, { headers, timeout: 5_000 })
}

test('under constant publishing short streams lose nothing (PROTOCOL 6.10)', limit, async (t) => {
  const [first, second] = nodes
  const channels = ['orders.1', 'orders.2']
  const here = (): string => first.http
  const anywhere = (round: number): string => [first, second][round % 2]?.http ?? ''
  const followers = [0, 2].flatMap((wait) => [
    new ShortFollower(t, { token, channels: ['news', ...channels], wait, node: here }),
    new ShortFollower(t, { token, channels, wait, node: anywhere }),
  ])
  for (const follower of followers) await follower.start()
  const all = range(0, 900)
  for (const number of all) {
    await publish(['news', 'orders.1', 'orders.2'][number % 3] as string, number)
  }
  const orders = all.filter((number) => number % 3 !== 0)
  for (const [at, follower] of followers.entries()) {
    const expected = at % 2 === 0 ? all : orders
    const hasAll = async (): Promise<boolean> => follower.said.length >= expected.length
    await eventually('everything has come', hasAll, 60_000)
    await follower.stop()
    assert.deepEqual(
      [...follower.said].sort((a, b) => Number(a) - Number(b)),
      expected,
    )
  }
})

test('the other node catches up with 1,000 publications (PROTOCOL 6.10)', limit, async (t) => {
  const [first, second] = nodes
  const channels = ['orders.3']
  const begin = await readShort(t, first.http, token, { channels, wait: 0 })
  await Promise.all(range(0, 1_000).map((number) => publish('orders.3', number)))
  for (const node of [second, first]) {
    const body = { channels, wait: 20, cursor: begin.lastEventId }
    const stream = await readShort(t, node.http, token, body)
    const said = [...saidIn(stream.events)].sort((a, b) => Number(a) - Number(b))
    assert.deepEqual(said, range(0, 1_000))
  }
})

test(
  'a node that leaves sends short streams to another (PROTOCOL 6.10, 10.4)',
  limit,
  async (t) => {
    const leaving = await startNode(scope, env)
    await leaving.untilReady()
    const channels = ['orders.4']
    const body = { channels, wait: 50 }
    const stream = await TestStream.post(t, leaving.http, token, body)
    await stream.next('welcome')
    const exit = leaving.end()
    await whole(stream)
    assert.deepEqual(saidIn(stream.events), [])
    await publish('orders.4', 1)
    const cursor = stream.lastEventId
    const next = await readShort(t, nodes[1].http, token, { ...body, cursor })
    assert.deepEqual(saidIn(next.events), [1])
    assert.equal(await exit, 0)
  },
)

test('when all have ended, any node answers 204 (PROTOCOL 6.10, 6.8)', limit, async (t) => {
  const channels = ['orders.5']
  const stream = await TestStream.post(t, nodes[0].http, token, { channels, wait: 20 })
  await stream.next('welcome')
  await publish('orders.5', 1, true)
  await whole(stream)
  assert.deepEqual(saidIn(stream.events), [1, ['ended', 'orders.5']])
  const body = { channels, wait: 20, cursor: stream.lastEventId }
  for (const { http } of nodes) {
    const over = await TestStream.post(t, http, token, body)
    assert.equal(over.response.statusCode, 204)
  }
})
