/** Durable channels that the token claims: subscribed before the client has said a word. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MemoryBroker } from '../../hub/memory-broker.js'
import { SwitchHistory } from '../../hub/tests/switch-history.js'
import { systemClock } from '../system-clock.js'
import { dataOf, positionIn, publish, publishAll, range } from './durable-orders.js'
import { startTestGateway, testSettings, until } from './harness.js'
import { SwitchBroker } from './switch-broker.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const protocols = (token: string): string[] => ['tidegate.v1.json', `bearer.${token}`]
const claims = mint({ channels: ['orders.42', 'orders.__proto__.*', 'chat.7'] })

for (const { name, subprotocol, text } of testFormats) {
  test(`${name}: the welcome has the positions of durable channels (PROTOCOL 4.22)`, async (t) => {
    const gateway = await startTestGateway(t)
    publish(gateway, 'orders.42', 'old')
    const client = await TestClient.connect(t, gateway.ws, claims, subprotocol)
    const [welcome] = client.frames
    assert.deepEqual(welcome?.['subscriptions'], ['orders.42', 'orders.__proto__.*', 'chat.7'])
    const positions = welcome?.['positions'] as Record<string, Record<string, unknown>>
    assert.deepEqual(Object.keys(positions).sort(), ['orders.42', 'orders.__proto__.*'])
    assert.equal(positions['orders.42']?.['offset'], 1)
    assert.ok(!('recovered' in (positions['orders.42'] ?? {})))
    publish(gateway, 'orders.42', 'new')
    assert.equal(text(await client.next('publication')), '"new"')
  })
}

test('without durable channels the welcome has no positions (PROTOCOL 4.22)', async (t) => {
  const { ws } = await startTestGateway(t)
  const client = await TestClient.connect(t, ws, mint({ channels: ['chat.7'] }))
  assert.ok(!('positions' in (client.frames[0] ?? {})))
})

test('who was there before subscribes it anew with its position (PROTOCOL 4.22)', async (t) => {
  const gateway = await startTestGateway(t)
  const token = mint({ channels: ['orders.42'] })
  const first = await TestClient.connect(t, gateway.ws, token)
  publishAll(gateway, 'orders.42', range(0, 2))
  await until('both', () => dataOf(first).length === 2)
  const positions = first.frames[0]?.['positions'] as Record<string, object>
  const position = positionIn({
    type: '',
    ...positions['orders.42'],
    offset: 1,
    time: first.frames.at(-2)?.['time'],
  })
  first.socket.terminate()
  publish(gateway, 'orders.42', 2)
  const second = await TestClient.connect(t, gateway.ws, token)
  await second.ask({ type: 'unsubscribe', id: 1, channel: 'orders.42' })
  const again = { type: 'subscribe', id: 2, channel: 'orders.42', position }
  assert.equal((await second.ask(again))['recovered'], true)
  await until('both', () => dataOf(second).length === 2)
  assert.deepEqual(dataOf(second), [1, 2])
})

test('a claim whose history is away begins when it is back (PROTOCOL 4.22)', async (t) => {
  const broker = new MemoryBroker()
  const { namespaces } = testSettings
  const layout = { subjectPrefix: 'rt', namespaces, publicationBytesMax: 65_536 }
  const history = new SwitchHistory({ broker, layout, clock: systemClock })
  const gateway = await startTestGateway(t, { broker, history })
  history.switchTo(false)
  const client = await TestClient.connect(t, gateway.ws, claims)
  assert.equal((client.frames[0]?.['subscriptions'] as unknown[]).length, 3)
  assert.ok(!('positions' in (client.frames[0] ?? {})))
  publish(gateway, 'chat.7', 'ephemeral')
  assert.equal((await client.next('publication')).data, 'ephemeral')
  history.switchTo(true)
  const gaps = [await client.next('gap'), await client.next('gap')]
  assert.deepEqual(gaps.map(({ channel }) => channel).sort(), ['orders.42', 'orders.__proto__.*'])
  assert.deepEqual(Object.keys(gaps[0] ?? {}).sort(), ['channel', 'reason', 'type'])
  assert.equal(gaps[0]?.['reason'], 'broker_disconnected')
  publish(gateway, 'orders.42', 'back')
  assert.equal((await client.next('publication')).data, 'back')
})

test('claimed durable channels stand while the broker is away (PROTOCOL 4.7, 4.22)', async (t) => {
  const broker = new SwitchBroker(false)
  const gateway = await startTestGateway(t, { broker })
  const client = await TestClient.connect(t, gateway.ws, mint({ channels: ['orders.42'] }))
  assert.deepEqual(client.frames[0]?.['subscriptions'], ['orders.42'])
  broker.connect()
  assert.equal((await client.next('gap'))['reason'], 'broker_disconnected')
  publish(gateway, 'orders.42', 'back')
  assert.equal((await client.next('publication')).data, 'back')
})

test('early frames are answered behind the welcome, in order (PROTOCOL 4.22)', async (t) => {
  const gateway = await startTestGateway(t)
  publishAll(gateway, 'orders.42', range(0, 3))
  const token = mint({ channels: ['orders.42'], subscribe: ['orders.>'] })
  const client = new TestClient(t, gateway.ws, protocols(token))
  client.socket.on('open', () => {
    client.send({ type: 'unsubscribe', id: 1, channel: 'orders.42' })
    client.send({ type: 'subscribe', id: 2, channel: 'orders.42', last: 3 })
  })
  await client.next('welcome')
  await until('its history', () => dataOf(client).length === 3)
  assert.deepEqual(dataOf(client), [0, 1, 2])
  const types = client.frames.map(({ type }) => type)
  assert.deepEqual(types.slice(0, 3), ['welcome', 'unsubscribed', 'subscribed'])
})
