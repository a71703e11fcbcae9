/** One client goes on by another transport where it stopped, and slow ones lose nothing. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { encodeCursor } from '../../shared/cursor.js'
import { cursorOf } from '../../shared/cursor-positions.js'
import type { Position } from '../../shared/position.js'
import { openNodes, type Nodes } from './durable-nodes.js'
import { TestStream } from './event-stream-client.js'
import { until, type TestGateway } from './harness.js'
import { poll } from './http-client.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const token = mint({ subscribe: ['>'] })

function open(
  t: TestContext,
  { http }: TestGateway,
  channels: string,
  lastEventId: string,
): Promise<TestStream> {
  return TestStream.open(t, http, { channels, token }, { 'last-event-id': lastEventId })
}

async function publishTo(nodes: Nodes, channel: string, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number += 1) await nodes.publish(channel, number)
}

test('a poll goes on where a stream stopped, and it where that did (PROTOCOL 7.9)', async (t) => {
  const nodes = await openNodes(t)
  const [first, second] = [await nodes.start(), await nodes.start()]
  const channels = 'orders.1,orders.2'
  const begin = await poll(first.http, token, { channels, wait: '0' })
  await publishTo(nodes, 'orders.1', 1, 4)
  const stream = await open(t, second, channels, begin.cursor)
  await stream.next('welcome')
  const { id: cursor = '' } = await stream.next('message')
  stream.cut()
  await publishTo(nodes, 'orders.2', 11, 13)
  const answer = await poll(first.http, token, { channels, wait: '0', cursor })
  assert.deepEqual(
    answer.publications.map(({ data }) => data).sort((a, b) => Number(a) - Number(b)),
    [2, 3, 11, 12],
  )
  const rest = await open(t, first, channels, answer.cursor)
  await rest.next('welcome')
  await nodes.publish('orders.1', 4)
  assert.equal((await rest.publication())['data'], 4)
})

test('the position of a WebSocket is the cursor of a poll (PROTOCOL 7.9, 13.6)', async (t) => {
  const nodes = await openNodes(t)
  const [first, second] = [await nodes.start(), await nodes.start()]
  await publishTo(nodes, 'orders.1', 1, 3)
  const client = await TestClient.connect(t, first.ws, token)
  const subscribed = await client.ask({ type: 'subscribe', id: 1, channel: 'orders.1' })
  const { epoch, offset, time, verified } = subscribed as unknown as Position & { time: number }
  await nodes.publish('orders.1', 3)
  const got = await client.next('publication')
  client.socket.terminate()
  await publishTo(nodes, 'orders.1', 4, 6)
  for (const [position, expected] of [
    [{ epoch, offset, time, verified }, [3, 4, 5]],
    [{ epoch, offset: got['offset'], time: got['time'], verified }, [4, 5]],
  ] as [Position, number[]][]) {
    const cursor = encodeCursor(cursorOf([{ name: 'orders.1', position }]))
    for (const { http } of [first, second]) {
      const answer = await poll(http, token, { channels: 'orders.1', wait: '0', cursor })
      assert.deepEqual(
        answer.publications.map(({ data }) => data),
        expected,
      )
      assert.deepEqual([answer.gaps, answer.recovered], [[], { 'orders.1': true }])
    }
  }
})

test('a stream read slowly loses nothing of a durable channel (PROTOCOL 14.8)', async (t) => {
  const nodes = await openNodes(t, { messagesPerChannel: 5_000 })
  const node = await nodes.start()
  const stream = await open(t, node, 'orders.1,chat.7', '')
  await stream.next('welcome')
  stream.response.pause()
  const text = 'x'.repeat(30_000)
  // More than the kernel's buffers of both ends hold, some 10 MB.
  const count = 640
  for (let number = 0; number < count; number += 1) {
    await nodes.publish('orders.1', [number, text])
    await nodes.publish('chat.7', -1)
    if (number % 20 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(node.counters.deliveriesDropped.sse > 0)
  assert.ok(node.gateway.outbox.bytes < 131_072)
  stream.response.resume()
  const numbers = (): number[] =>
    stream.events
      .filter(({ data }) => data.startsWith('{"channel":"orders.1","offset"'))
      .map(({ data }) => (JSON.parse(data) as { data: [number] }).data[0])
  await until('all have come', () => numbers().length >= count)
  await nodes.publish('orders.1', [count])
  await until('it is live again', () => numbers().at(-1) === count)
  assert.deepEqual(numbers(), [...Array(count + 1).keys()])
  const gaps = stream.events
    .filter(({ event }) => event === 'gap')
    .map(({ data }) => JSON.parse(data))
  assert.ok(gaps.length > 0)
  assert.ok(gaps.every(({ channel }) => channel === 'chat.7'))
  await until('it holds nothing', () => node.gateway.outbox.bytes === 0)
  // The id of each: who was cut off there has nothing twice, and nothing less.
  const at = stream.events.findIndex(({ data }) => data.includes('"data":[333,'))
  const resumed = await open(t, await nodes.start(), 'orders.1', stream.events[at]?.id ?? '')
  await resumed.next('welcome')
  assert.deepEqual(((await resumed.publication())['data'] as [number])[0], 334)
})
