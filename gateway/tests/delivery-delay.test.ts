/** The delay of deliveries is observed where there is a delivery, of all transports. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestGateway, until } from './harness.js'
import { poll } from './http-client.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

test('publications to sockets and polls are observed, welcomes and pongs are not', async (t) => {
  const delays: number[] = []
  const gateway = await startTestGateway(t, { observeDelay: (delayMs) => delays.push(delayMs) })
  const { broker, counters, http, ws } = gateway
  const token = mint({ channels: ['chat.7'], subscribe: ['>'] })
  const client = await TestClient.connect(t, ws, token)
  await client.ask({ type: 'ping', id: 1 })
  await poll(http, token, { channels: 'news', wait: '0' })
  assert.deepEqual(delays, [])
  void broker.publish('rt.pub.chat.7', Buffer.from('1'), {})
  await client.next('publication')
  assert.equal(delays.length, 1)
  await client.ask({ type: 'ping', id: 2 })
  assert.equal(delays.length, 1)
  const waiting = poll(http, mint({ subscribe: ['>'] }), { channels: 'news' })
  await until('the poll waits', () => counters.connections.poll === 1)
  void broker.publish('rt.pub.news', Buffer.from('1'), {})
  assert.equal((await waiting).publications.length, 1)
  assert.equal(delays.length, 2)
})
