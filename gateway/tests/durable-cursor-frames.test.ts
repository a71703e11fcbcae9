/** Cursors of streams and polls in the frames of a WebSocket, which goes on where those stopped. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCursor } from '../../shared/cursor.js'
import { openNodes } from './durable-nodes.js'
import { dataOf, publicationsOf, range } from './durable-orders.js'
import { TestStream } from './event-stream-client.js'
import { startTestGateway, until } from './harness.js'
import { poll } from './http-client.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const token = mint({ subscribe: ['>'] })
const subscribe = { type: 'subscribe', id: 1, channel: 'orders.1' }

for (const { name, subprotocol, text } of testFormats) {
  test(`${name}: a subscription goes on from a cursor, on any node (PROTOCOL 4.18)`, async (t) => {
    const nodes = await openNodes(t)
    const [first, second] = [await nodes.start(), await nodes.start()]
    const channels = 'orders.1,orders.*,chat.7'
    const stream = await TestStream.welcomed(t, first.http, { channels, token })
    await nodes.publish('orders.1', 0)
    await stream.next('message')
    const { id } = await stream.next('message')
    stream.cut()
    for (const number of [1, 2]) await nodes.publish('orders.1', number)
    const polled = await poll(first.http, token, { channels, cursor: id ?? '', wait: '0' })
    for (const number of [3, 4]) await nodes.publish('orders.1', number)
    for (const { ws } of [first, second]) {
      for (const [position, expected] of [
        [id, ['1', '2', '3', '4']],
        [polled.cursor, ['3', '4']],
      ] as const) {
        for (const channel of ['orders.1', 'orders.*']) {
          const client = await TestClient.connect(t, ws, token, subprotocol)
          const { recovered, offset } = await client.ask({ ...subscribe, channel, position })
          assert.deepEqual([recovered, offset], [true, 5])
          const got = (): string[] => publicationsOf(client).map(text)
          await until('what was missed', () => got().at(-1) === '4')
          // Publications do not move the position in a pattern (14.7): some may come again.
          const count = channel === 'orders.*' ? expected.length : got().length
          assert.deepEqual(got().slice(-count), expected)
        }
      }
    }
  })

  test(`${name}: a cursor that cannot be read is bad_request (PROTOCOL 4.18)`, async (t) => {
    const { ws, http } = await startTestGateway(t)
    const { cursor } = await poll(http, token, { channels: 'orders.1', wait: '0' })
    const client = await TestClient.connect(t, ws, token, subprotocol)
    for (const position of ['', 'x', `${cursor}A`, `${cursor}=`, 'A'.repeat(5_000)]) {
      for (const channel of ['orders.1', 'chat.7']) {
        const answer = await client.ask({ ...subscribe, channel, position })
        assert.equal(answer.code, 'bad_request', position)
        assert.match(String(answer['message']), /^position .{10,50}$/)
      }
    }
    assert.equal((await client.ask({ ...subscribe, position: cursor }))['recovered'], true)
  })
}

test('a cursor that does not cover the channel is no position (PROTOCOL 4.18, 4.19)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  for (const number of range(0, 3)) await nodes.publish('orders.1', number)
  const { cursor } = await poll(node.http, token, { channels: 'orders.2,chat.7', wait: '0' })
  for (const position of [cursor, encodeCursor({})]) {
    const client = await TestClient.connect(t, node.ws, token)
    assert.ok(!('recovered' in (await client.ask({ ...subscribe, position }))))
    await client.ask({ type: 'unsubscribe', id: 2, channel: 'orders.1' })
    assert.deepEqual(dataOf(client), [])
    // `last` then counts.
    assert.ok(!('recovered' in (await client.ask({ ...subscribe, position, last: 2 }))))
    await until('the newest', () => dataOf(client).length === 2)
    assert.deepEqual(dataOf(client), [1, 2])
  }
})

test('on an ephemeral channel a cursor has no effect (PROTOCOL 4.18)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const { cursor: position } = await poll(node.http, token, { channels: 'chat.7', wait: '0' })
  await nodes.publish('chat.7', 'missed')
  const client = await TestClient.connect(t, node.ws, token)
  const subscribed = await client.ask({ ...subscribe, channel: 'chat.7', position })
  assert.deepEqual(subscribed, { type: 'subscribed', id: 1, channel: 'chat.7' })
  await nodes.publish('chat.7', 'live')
  assert.equal((await client.next('publication')).data, 'live')
})

test('a cursor of a history that is no more is a new epoch (PROTOCOL 4.18, 14.6)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  await nodes.publish('orders.1', 0)
  const { cursor: position } = await poll(node.http, token, { channels: 'orders.1', wait: '0' })
  nodes.history.wipe('orders')
  await nodes.publish('orders.1', 1)
  const client = await TestClient.connect(t, node.ws, token)
  assert.equal((await client.ask({ ...subscribe, position }))['recovered'], false)
  const { reason, after } = await client.next('gap')
  assert.deepEqual([reason, after], ['new_epoch', 1])
  assert.equal((await client.next('publication')).data, 1)
})
