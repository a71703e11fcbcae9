/** Publishing in durable channels: offsets, and keys that make a second try harmless. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { dataOf, ordersToken, publish } from './durable-orders.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { askOnce } from './http-connection.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

async function post(
  t: TestContext,
  { port }: TestGateway,
  body: object,
  token = ordersToken,
): Promise<unknown> {
  const headers = { authorization: `Bearer ${token}` }
  const question = { method: 'POST', path: '/v1/publish', headers, body: JSON.stringify(body) }
  const answer = await askOnce(t, port, question)
  assert.equal(answer.status, 200, answer.body)
  return JSON.parse(answer.body)
}

for (const { name, subprotocol, data } of testFormats) {
  test(`${name}: published has the offset, for one key the first (PROTOCOL 4.20)`, async (t) => {
    const gateway = await startTestGateway(t)
    publish(gateway, 'orders.9', 'before')
    const client = await TestClient.connect(t, gateway.ws, ordersToken, subprotocol)
    await client.ask({ type: 'subscribe', id: 1, channel: 'orders.42' })
    const frame = { type: 'publish', id: 2, channel: 'orders.42', data: data('{"n":1}') }
    assert.deepEqual(await client.ask(frame), { type: 'published', id: 2, offset: 2 })
    const keyed = { ...frame, idempotencyKey: 'k1' }
    assert.equal((await client.ask({ ...keyed, id: 3 }))['offset'], 3)
    assert.equal((await client.ask({ ...keyed, id: 4 }))['offset'], 3)
    // Another channel's same key is another key.
    assert.equal((await client.ask({ ...keyed, id: 5, channel: 'orders.43' }))['offset'], 4)
    await until('both', () => dataOf(client).length === 2)
    const ephemeral = { ...keyed, id: 6, channel: 'chat.7' }
    assert.deepEqual(await client.ask(ephemeral), { type: 'published', id: 6 })
    assert.deepEqual(await client.ask({ ...ephemeral, id: 7 }), { type: 'published', id: 7 })
    assert.equal(dataOf(client).length, 2)
  })
}

test("by HTTP as by frame: the offset, a sender's key once (PROTOCOL 8.1, 4.20)", async (t) => {
  const gateway = await startTestGateway(t)
  const body = { channel: 'orders.42', data: 1, idempotencyKey: 'k1' }
  assert.deepEqual(await post(t, gateway, body), { offset: 1 })
  assert.deepEqual(await post(t, gateway, body), { offset: 1 })
  const other = mint({ sub: 'u2', publish: ['orders.>'] })
  assert.deepEqual(await post(t, gateway, body, other), { offset: 2 })
  const client = await TestClient.connect(t, gateway.ws, ordersToken)
  const again = { ...body, type: 'publish', id: 1 }
  assert.equal((await client.ask(again))['offset'], 1)
  assert.deepEqual(await post(t, gateway, { channel: 'chat.7', data: 1 }), {})
})

test('Nats-Msg-Id drops duplicates of a whole namespace (PROTOCOL 11.5)', async (t) => {
  const gateway = await startTestGateway(t)
  const client = await TestClient.connect(t, gateway.ws, ordersToken)
  await client.ask({ type: 'subscribe', id: 1, channel: 'orders.42' })
  publish(gateway, 'orders.42', 'paid', { 'Nats-Msg-Id': 'paid-42' })
  publish(gateway, 'orders.42', 'paid', { 'Nats-Msg-Id': 'paid-42' })
  publish(gateway, 'orders.43', 'paid', { 'Nats-Msg-Id': 'paid-42' })
  publish(gateway, 'orders.42', 'sent')
  await until('two', () => dataOf(client).length === 2)
  assert.deepEqual(dataOf(client), ['paid', 'sent'])
  assert.equal((await client.find('publication'))['offset'], 1)
  assert.equal((await client.find('publication'))['offset'], 2)
})
