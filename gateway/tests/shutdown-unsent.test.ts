/** A node that leaves gives what the kernel has not taken yet the time to leave before it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until } from './harness.js'
import { poll } from './http-client.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const token = mint({ channels: ['chat.7'], subscribe: ['>'] })
const payload = Buffer.from(JSON.stringify('x'.repeat(60_000)))

test('who was behind gets the rest and hears 4001 (PROTOCOL 10.4)', async (t) => {
  const clock = new FakeClock()
  const { broker, gateway, ws } = await startTestGateway(t, { clock })
  const client = await TestClient.connect(t, ws, token)
  client.socket.pause()
  for (let count = 0; count < 1000 && gateway.outbox.bytes === 0; count += 1) {
    void broker.publish('rt.pub.chat.7', payload, {})
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.ok(gateway.outbox.bytes > 0)
  const closing = gateway.close()
  client.socket.resume()
  assert.deepEqual(await client.closed, { code: 4001, reason: 'draining' })
  clock.advance(2000)
  await closing
})

test('a large answer is given its time, and no more than the grace has left', async (t) => {
  const clock = new FakeClock()
  const settings = { shutdownGraceSeconds: 1 }
  const { broker, gateway, http } = await startTestGateway(t, { clock, settings })
  const { cursor } = await poll(http, token, { channels: 'news', wait: '0' })
  void broker.publish('rt.pub.news', payload, {})
  assert.equal((await poll(http, token, { channels: 'news', cursor })).publications.length, 1)
  let isClosed = false
  const closing = gateway.close().then(() => (isClosed = true))
  clock.advance(900)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(isClosed, false)
  clock.advance(100)
  await closing
})

test('a node without anything unsent goes at once (PROTOCOL 10.4)', async (t) => {
  // Of its clock no timer is needed: nobody turns it.
  const { counters, gateway, ws } = await startTestGateway(t, { clock: new FakeClock() })
  const client = await TestClient.connect(t, ws, token)
  await gateway.close()
  assert.deepEqual(await client.closed, { code: 4001, reason: 'draining' })
  await until('nobody is left', () => counters.connections.websocket === 0)
})
