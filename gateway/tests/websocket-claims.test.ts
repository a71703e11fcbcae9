/** The channels that a token's `channels` claim subscribes before the client has said a word. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeBroker } from './fake-broker.js'
import { startTestGateway, until } from './harness.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const protocols = (token: string): string[] => ['tidegate.v1.json', `bearer.${token}`]
const payload = new TextEncoder().encode('1')

test('the welcome waits until the broker has the claimed channels (PROTOCOL 4.7)', async (t) => {
  const broker = new FakeBroker()
  const { ws, counters } = await startTestGateway(t, { broker })
  broker.holdConfirmations()
  const client = new TestClient(t, ws, protocols(mint({ channels: ['chat.7'] })))
  await until('the broker to be asked', () => broker.heldCount > 0)
  // Not subscribed yet: what comes now was never promised. An early frame is answered later.
  await broker.publish('rt.pub.chat.7', payload, {})
  await until('the socket to be open', () => client.socket.readyState === 1)
  client.send({ type: 'ping', id: 1 })
  await until('the frame to be read', () => counters.framesReceived === 1)
  assert.equal(client.frames.length, 0)
  broker.releaseConfirmations(true)
  assert.deepEqual((await client.next('welcome')).subscriptions, ['chat.7'])
  assert.equal((await client.next('pong')).id, 1)
  await broker.publish('rt.pub.chat.7', payload, {})
  assert.equal((await client.next('publication')).data, 1)
})

test('a claimed channel that the broker refuses is told after the welcome (4.7)', async (t) => {
  const broker = new FakeBroker()
  const { ws, hub, counters } = await startTestGateway(t, { broker })
  broker.holdConfirmations()
  const client = new TestClient(t, ws, protocols(mint({ channels: ['chat.7'] })))
  await until('the broker to be asked', () => broker.heldCount > 0)
  broker.releaseConfirmations(false)
  assert.deepEqual((await client.next('welcome')).subscriptions, [])
  const { code, channel } = await client.next('error')
  assert.deepEqual([code, channel], ['broker_unavailable', 'chat.7'])
  assert.equal(counters.subscriptions, 0)
  assert.equal(hub.lingeringCount, 1)
})

test('claimed channels over the limit are refused one by one (PROTOCOL 4.7, 4.9)', async (t) => {
  const { ws } = await startTestGateway(t, { settings: { subscriptionsMax: 1 } })
  const client = await TestClient.connect(t, ws, mint({ channels: ['chat.7', 'chat.8', 'chat.9'] }))
  assert.deepEqual(client.frames[0]?.subscriptions, ['chat.7'])
  for (const channel of ['chat.8', 'chat.9']) {
    const refused = await client.next('error')
    assert.deepEqual([refused.code, refused.channel], ['too_many_subscriptions', channel])
  }
})

test('who leaves before the broker has confirmed leaves nothing behind', async (t) => {
  const broker = new FakeBroker()
  const { ws, counters } = await startTestGateway(t, { broker })
  broker.holdConfirmations()
  const client = new TestClient(t, ws, protocols(mint({ channels: ['chat.7'] })))
  await until('the broker to be asked', () => broker.heldCount > 0)
  client.socket.terminate()
  await until('the connection to be gone', () => counters.connections.websocket === 0)
  broker.releaseConfirmations(true)
  assert.equal(counters.subscriptions, 0)
  assert.equal(client.frames.length, 0)
})
