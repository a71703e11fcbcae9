/** The SDK on two real nodes: whatever happens, each publication comes once, or a gap says why. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { headers } from '@nats-io/transport-node'
import { WebSocket } from 'ws'
import type { ChannelEvent } from '../../client/channel.js'
import { msgpackCodec } from '../../client/msgpack.js'
import { nodeTransports } from '../../client/tests/node-transports.js'
import { memoryPositions } from '../../client/position-store.js'
import { Tidegate } from '../../client/tidegate.js'
import type { Transport } from '../../client/transport.js'
import { WebSocketTransport } from '../../client/websocket-transport.js'
import { startNats } from '../../hub/tests/nats-server.js'
import { until } from '../../hub/tests/until.js'
import { Middlebox } from './middlebox.js'
import { mint, serve } from './spawned.js'

const bounded = { timeout: 90_000 }

/** Two nodes behind a middlebox, one JetStream, a publisher with acks. */
async function start(t: TestContext, transports: readonly Transport[]) {
  const nats = await startNats(t, { jetStream: true })
  const env = { TIDEGATE_NATS_URL: nats.url, TIDEGATE_PROVISION: 'true' }
  const nodes = [await serve(t, env), await serve(t, env)] as const
  const box = await Middlebox.start(t, nodes[0].port)
  const service = await nats.connect()
  const counts = new Map<string, number>()
  const publish = async (channel: string): Promise<void> => {
    const number = (counts.get(channel) ?? 0) + 1
    counts.set(channel, number)
    await service.request(`rt.pub.${channel}`, String(number), { timeout: 5_000 })
  }
  const token = await mint(t, '--subscribe', '*', '--publish', '*')
  const positions = memoryPositions()
  const open = () => {
    const tidegate = new Tidegate(box.url, { token: () => token, transports, positions })
    t.after(() => tidegate.close())
    return { tidegate, hold: (channel: string) => hold(tidegate, channel) }
  }
  const opened = open()
  const connected = () =>
    until(() => {
      const { state } = opened.tidegate
      return state.type === 'connected' && state
    }, 30_000)
  return { ...opened, nats, nodes, box, publish, connected, reopen: open }
}

function hold(tidegate: Tidegate, channel: string) {
  const holder = tidegate.channel<number>(channel)
  const numbers: number[] = []
  const losses: ChannelEvent['type'][] = []
  holder.on('publication', ({ publication }) => numbers.push(publication.data))
  holder.on('gap', ({ type }) => losses.push(type))
  let isSubscribed = false
  holder.on('subscribed', () => (isSubscribed = true))
  return { ...{ holder, numbers, losses }, subscribed: () => until(() => isSubscribed) }
}

function transportOf({ state }: Tidegate): string | undefined {
  return state.type === 'connected' ? state.transport : undefined
}

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, at) => at + 1)
}

const packed = new WebSocketTransport((...asked) => new WebSocket(...asked), msgpackCodec)
const named: readonly (readonly [string, Transport])[] = [
  ...nodeTransports.map((transport) => [transport.name, transport] as const),
  ['MessagePack', packed],
]

for (const [name, transport] of named) {
  test(`a killed node is left for another, and nothing is lost, by ${name}`, bounded, async (t) => {
    const { nodes, box, publish, hold } = await start(t, [transport])
    const news = hold('news')
    await news.subscribed()
    await publish('news')
    await until(() => news.numbers.length === 1)
    nodes[0].node.child.kill('SIGKILL')
    await nodes[0].node.exit()
    for (let count = 0; count < 5; count += 1) await publish('news')
    box.target = nodes[1].port
    await until(() => news.numbers.length === 6, 60_000)
    await publish('news')
    await until(() => news.numbers.length === 7)
    assert.deepEqual(news.numbers, upTo(7))
    assert.deepEqual(news.losses, [])
  })
}

test(
  'where upgrades are blocked it streams, where streams are held, it polls',
  bounded,
  async (t) => {
    const { box, publish, hold, connected, tidegate } = await start(t, nodeTransports)
    box.blocksUpgrades = true
    const news = hold('news')
    assert.equal((await connected()).transport, 'event-stream')
    assert.equal(box.counts.upgrade, 3, 'one failure is no proof')
    await publish('news')
    await until(() => news.numbers.length === 1)
    tidegate.close()
    const second = await start(t, nodeTransports)
    second.box.blocksUpgrades = true
    second.box.buffersStreams = true
    const held = second.hold('news')
    await until(() => transportOf(second.tidegate) === 'long-poll', 60_000)
    await held.subscribed()
    await second.publish('news')
    await until(() => held.numbers.length === 1)
  },
)

test(
  'it goes on where it was when it changes transports, and from kept positions',
  bounded,
  async (t) => {
    const { box, publish, hold, tidegate, nodes, reopen } = await start(t, nodeTransports)
    box.blocksUpgrades = true
    const news = hold('news')
    await news.subscribed()
    assert.equal(transportOf(tidegate), 'event-stream')
    await publish('news')
    await until(() => news.numbers.length === 1)
    tidegate.close()
    for (let count = 0; count < 3; count += 1) await publish('news')
    box.blocksUpgrades = false
    box.target = nodes[1].port
    const later = reopen()
    const again = later.hold('news')
    await until(() => again.numbers.length === 3)
    assert.equal(transportOf(later.tidegate), 'websocket')
    assert.deepEqual(again.numbers, [2, 3, 4])
    assert.deepEqual(again.losses, [])
  },
)

test('channels come and go while it is connected, and holders share one', bounded, async (t) => {
  for (const transport of nodeTransports) {
    const { publish, hold } = await start(t, [transport])
    const [one, other, second] = [hold('news'), hold('news'), hold('sport')]
    for (const each of [one, second]) await each.subscribed()
    const both = async (): Promise<void> => {
      await publish('news')
      await publish('sport')
    }
    await both()
    await until(() => one.numbers.length + other.numbers.length + second.numbers.length === 3)
    one.holder.close()
    await both()
    await until(() => other.numbers.length === 2 && second.numbers.length === 2)
    other.holder.close()
    await both()
    await until(() => second.numbers.length === 3)
    assert.deepEqual([one.numbers, other.numbers, second.numbers], [[1], [1, 2], [1, 2, 3]])
  }
})

test('a loop reads a channel until it closes', bounded, async (t) => {
  const { publish, tidegate, hold } = await start(t, nodeTransports)
  const read: number[] = []
  const news = tidegate.channel<number>('news')
  const loop = (async () => {
    for await (const { data } of news) {
      read.push(data)
      if (read.length === 3) tidegate.close()
    }
  })()
  await hold('news').subscribed()
  for (let count = 0; count < 3; count += 1) await publish('news')
  await loop
  assert.deepEqual(read, [1, 2, 3])
  assert.equal(tidegate.state.type, 'closed')
})

test('by MessagePack a payload that is no JSON comes as its bytes', bounded, async (t) => {
  const { nats, tidegate, hold } = await start(t, [packed])
  const news = hold('news')
  await news.subscribed()
  const heard: unknown[] = []
  tidegate.channel('news').on('publication', ({ publication }) => heard.push(publication))
  const service = await nats.connect()
  const plainText = headers()
  plainText.set('Content-Type', 'text/plain')
  service.publish('rt.pub.news', 'ü', { headers: plainText })
  await until(() => heard.length === 1)
  const { data, contentType } = heard[0] as { data: Uint8Array; contentType: string }
  assert.deepEqual([new TextDecoder().decode(data), contentType], ['ü', 'text/plain'])
})

test('what it publishes is stored once, comes, and is in the history', bounded, async (t) => {
  const { tidegate, hold } = await start(t, nodeTransports)
  const news = hold('news')
  await news.subscribed()
  const first = await tidegate.publish('news', 1)
  const again = { idempotencyKey: 'k1' }
  const [second, same] = [
    await tidegate.publish('news', 2, again),
    await tidegate.publish('news', 2, again),
  ]
  assert.equal(second.offset, (first.offset ?? 0) + 1)
  assert.deepEqual(same, second)
  await until(() => news.numbers.length === 2)
  assert.deepEqual(news.numbers, [1, 2])
  const { publications, more } = await tidegate.history('news')
  assert.deepEqual([publications.map(({ data }) => data), more], [[1, 2], false])
  await assert.rejects(tidegate.publish('no such', 1), { code: 'bad_request' })
})
