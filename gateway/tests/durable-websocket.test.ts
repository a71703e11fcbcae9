/** Durable channels over WebSocket: where a subscription begins, what it is given, how it ends. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { MemoryBroker } from '../../hub/memory-broker.js'
import { defaultHistory } from '../../hub/namespaces.js'
import { SwitchHistory } from '../../hub/tests/switch-history.js'
import { systemClock } from '../system-clock.js'
import { dataOf, ordersToken, positionIn, publish, publishAll, range } from './durable-orders.js'
import { startTestGateway, testSettings, until, type TestGateway } from './harness.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const subscribe = { type: 'subscribe', id: 1, channel: 'orders.42' }

async function withSwitch(
  t: TestContext,
): Promise<{ readonly gateway: TestGateway; readonly history: SwitchHistory }> {
  const broker = new MemoryBroker()
  const { namespaces } = testSettings
  const layout = { subjectPrefix: 'rt', namespaces, publicationBytesMax: 65_536 }
  const history = new SwitchHistory({ broker, layout, clock: systemClock })
  return { gateway: await startTestGateway(t, { broker, history }), history }
}

for (const { name, subprotocol, text } of testFormats) {
  test(`${name}: subscribed says where live begins (PROTOCOL 4.19, 5.8)`, async (t) => {
    const gateway = await startTestGateway(t)
    publish(gateway, 'orders.42', 'old')
    const client = await TestClient.connect(t, gateway.ws, ordersToken, subprotocol)
    const subscribed = await client.ask(subscribe)
    const { epoch, time } = subscribed
    assert.match(String(epoch), /^[0-9a-f]{12}$/)
    assert.ok(Math.abs(Number(time) - Date.now()) < 60_000)
    // Without a position nothing is recovered, and nothing of it is said.
    assert.deepEqual(subscribed, {
      type: 'subscribed',
      id: 1,
      channel: 'orders.42',
      epoch,
      offset: 1,
      time,
      verified: subscribed['verified'],
    })
    publish(gateway, 'orders.43', 'elsewhere')
    publishAll(gateway, 'orders.42', ['a', 'b'])
    const first = await client.next('publication')
    assert.deepEqual([first['offset'], first['previous'], text(first)], [3, 1, '"a"'])
    assert.deepEqual(Object.keys(first).slice(0, 5), [
      'type',
      'channel',
      'offset',
      'previous',
      'time',
    ])
    const second = await client.next('publication')
    assert.deepEqual([second['offset'], second['previous'], text(second)], [4, 3, '"b"'])
  })

  test(`${name}: who shows a position gets what it missed (PROTOCOL 14.3, 14.4)`, async (t) => {
    const gateway = await startTestGateway(t)
    const first = await TestClient.connect(t, gateway.ws, ordersToken, subprotocol)
    await first.ask(subscribe)
    publishAll(gateway, 'orders.42', range(0, 3))
    await first.next('publication')
    const position = positionIn({ ...(await first.next('publication')), ...epochOf(first) })
    first.socket.terminate()
    publishAll(gateway, 'orders.42', range(3, 6))
    const second = await TestClient.connect(t, gateway.ws, ordersToken, subprotocol)
    const subscribed = await second.ask({ ...subscribe, position })
    assert.equal(subscribed['recovered'], true)
    assert.equal(subscribed['offset'], 6)
    publish(gateway, 'orders.42', 6)
    await until('all of it', () => dataOf(second).length === 5)
    const texts = second.frames.filter(({ type }) => type === 'publication').map(text)
    assert.deepEqual(texts, ['2', '3', '4', '5', '6'])
    assert.equal(gateway.hub.durable.counters.recoveries.recovered.ring, 1)
  })

  test(`${name}: a channel that ends says so, later too (PROTOCOL 4.21, 11.6)`, async (t) => {
    const gateway = await startTestGateway(t)
    const client = await TestClient.connect(t, gateway.ws, ordersToken, subprotocol)
    await client.ask(subscribe)
    publish(gateway, 'orders.42', 'last', { 'Tidegate-End': '1' })
    assert.equal(text(await client.next('publication')), '"last"')
    assert.deepEqual(await client.next('ended'), { type: 'ended', channel: 'orders.42' })
    const later = await TestClient.connect(t, gateway.ws, ordersToken, subprotocol)
    await later.ask({ ...subscribe, last: 10 })
    assert.equal(text(await later.next('publication')), '"last"')
    assert.equal((await later.next('ended')).channel, 'orders.42')
    // It still stands and counts; a later publication takes the end back.
    publish(gateway, 'orders.42', 'after all')
    assert.equal(text(await later.next('publication')), '"after all"')
    assert.equal((await later.ask({ ...subscribe, id: 2 })).code, 'already_subscribed')
  })
}

/** The history that a client was told of. */
function epochOf({ frames }: TestClient): { readonly epoch: unknown } {
  return { epoch: frames.find(({ type }) => type === 'subscribed')?.['epoch'] }
}

test('a subscription may begin with the newest few (PROTOCOL 4.18, 14.4)', async (t) => {
  const gateway = await startTestGateway(t)
  publishAll(gateway, 'orders.42', range(0, 5))
  publishAll(gateway, 'orders.43', range(5, 8))
  const client = await TestClient.connect(t, gateway.ws, ordersToken)
  assert.ok(!('recovered' in (await client.ask({ ...subscribe, last: 2 }))))
  await until('two', () => dataOf(client).length === 2)
  assert.deepEqual(dataOf(client), [3, 4])
  await client.ask({ ...subscribe, id: 2, channel: 'orders.*', last: 4 })
  await until('four more', () => dataOf(client).length === 6)
  assert.deepEqual(dataOf(client).slice(2), [4, 5, 6, 7])
  const ofPattern = client.frames.at(-1)
  assert.deepEqual([ofPattern?.channel, ofPattern?.['pattern']], ['orders.43', 'orders.*'])
})

for (const [bound, durableLimits] of [
  ['count', { recoveryCountMax: 3 }],
  ['bytes', { recoveryBytesMax: 36 }],
  ['room', { recoveriesBytesMax: 36 }],
] as const) {
  test(`where ${bound} allow fewer, they are the newest (PROTOCOL 14.4)`, async (t) => {
    const gateway = await startTestGateway(t, { durableLimits })
    publishAll(gateway, 'orders.42', range(10_000_000_000, 10_000_000_010))
    const client = await TestClient.connect(t, gateway.ws, ordersToken)
    await client.ask({ ...subscribe, last: 5 })
    publish(gateway, 'orders.42', 'live')
    await until('what is live', () => dataOf(client).includes('live'))
    assert.deepEqual(dataOf(client), [...range(10_000_000_007, 10_000_000_010), 'live'])
  })
}

test('a position goes before last, another shape is refused (PROTOCOL 4.18)', async (t) => {
  const gateway = await startTestGateway(t)
  publishAll(gateway, 'orders.42', range(0, 5))
  const client = await TestClient.connect(t, gateway.ws, ordersToken)
  const position = positionIn(await client.ask(subscribe))
  await client.ask({ type: 'unsubscribe', id: 2, channel: 'orders.42' })
  assert.equal((await client.ask({ ...subscribe, position, last: 3 }))['recovered'], true)
  await client.ask({ type: 'ping', id: 3 })
  assert.deepEqual(dataOf(client), [])
  const epoch = '5f0c3a9be214'
  for (const wrong of [
    { position: null },
    { position: { epoch: '5F0C3A9BE214', offset: 1 } },
    { position: { epoch, offset: -1 } },
    { position: { epoch, offset: 1, time: 1.5 } },
    { position: { epoch, offset: 1, verified: 2 ** 53 } },
    { last: 0 },
    { last: 1001 },
  ]) {
    const answer = await client.ask({ ...subscribe, id: 4, channel: 'orders.9', ...wrong })
    assert.equal(answer.code, 'bad_request', JSON.stringify(wrong))
  }
  // On an ephemeral channel neither has an effect.
  const ephemeral = await client.ask({ ...subscribe, id: 5, channel: 'chat.7', position, last: 3 })
  assert.deepEqual(ephemeral, { type: 'subscribed', id: 5, channel: 'chat.7' })
})

test('a position of another history is a gap, all follows (PROTOCOL 14.5, 5.9)', async (t) => {
  const gateway = await startTestGateway(t)
  publishAll(gateway, 'orders.42', range(0, 2))
  const client = await TestClient.connect(t, gateway.ws, ordersToken)
  const position = { epoch: '5f0c3a9be214', offset: 900, verified: 1000 }
  const { recovered, epoch } = await client.ask({ ...subscribe, position })
  assert.equal(recovered, false)
  assert.deepEqual(await client.next('gap'), {
    type: 'gap',
    channel: 'orders.42',
    after: 900,
    reason: 'new_epoch',
    epoch,
    offset: 0,
  })
  await until('both', () => dataOf(client).length === 2)
  assert.deepEqual(dataOf(client), [0, 1])
  assert.equal(gateway.counters.gaps.new_epoch, 1)
})

test('what is removed or too much is said with bounds (PROTOCOL 14.5, 5.9)', async (t) => {
  const history = { ...defaultHistory, messagesPerChannel: 10 }
  const namespaces = new Map([['orders', { history, patterns: false }]])
  const gateway = await startTestGateway(t, {
    settings: { namespaces },
    durableLimits: { recoveryCountMax: 4 },
    hubLimits: { ringCountMax: 1 },
  })
  const client = await TestClient.connect(t, gateway.ws, ordersToken)
  const start = positionIn(await client.ask(subscribe))
  await client.ask({ type: 'unsubscribe', id: 2, channel: 'orders.42' })
  publishAll(gateway, 'orders.42', range(0, 20))
  assert.equal((await client.ask({ ...subscribe, position: start }))['recovered'], false)
  const expired = await client.find('gap')
  const limited = await client.find('gap')
  assert.deepEqual([expired['reason'], expired['after'], expired['before']], ['expired', 0, 11])
  const { reason, after, before } = limited
  assert.deepEqual([reason, after, before], ['recovery_limit', 14, 21])
  assert.deepEqual(dataOf(client), range(10, 14))
  publish(gateway, 'orders.42', 20)
  assert.equal((await client.next('publication')).data, 20)
})

test('a history made anew is told, and goes on (PROTOCOL 14.6, 5.9)', async (t) => {
  const { gateway, history } = await withSwitch(t)
  const client = await TestClient.connect(t, gateway.ws, ordersToken)
  const before = await client.ask(subscribe)
  publishAll(gateway, 'orders.42', range(0, 3))
  await until('three', () => dataOf(client).length === 3)
  history.wipe('orders')
  const gap = await client.find('gap')
  const { epoch } = gap
  assert.notEqual(epoch, before['epoch'])
  assert.deepEqual(gap, {
    type: 'gap',
    channel: 'orders.42',
    after: 3,
    reason: 'new_epoch',
    epoch,
    offset: 0,
  })
  publish(gateway, 'orders.42', 'anew')
  const { data, offset } = await client.next('publication')
  assert.deepEqual([data, offset], ['anew', 1])
  const position = { epoch, offset: 1, time: client.frames.at(-1)?.['time'] }
  await client.ask({ type: 'unsubscribe', id: 2, channel: 'orders.42' })
  assert.equal((await client.ask({ ...subscribe, position }))['recovered'], true)
})

test('while the history is away, others go on (PROTOCOL 14.9, 4.19)', async (t) => {
  const { gateway, history } = await withSwitch(t)
  const early = await TestClient.connect(t, gateway.ws, ordersToken)
  await early.ask(subscribe)
  history.switchTo(false)
  const client = await TestClient.connect(t, gateway.ws, ordersToken)
  const refused = await client.ask({ ...subscribe, channel: 'orders.43' })
  assert.equal(refused.code, 'broker_unavailable')
  const lost = await client.ask({ type: 'publish', id: 2, channel: 'orders.42', data: 1 })
  assert.equal(lost.code, 'broker_unavailable')
  assert.equal((await client.ask({ ...subscribe, id: 3, channel: 'chat.7' })).type, 'subscribed')
  publish(gateway, 'chat.7', 'ephemeral')
  assert.equal((await client.next('publication')).data, 'ephemeral')
  history.switchTo(true)
  publish(gateway, 'orders.42', 'back')
  assert.equal((await early.next('publication')).data, 'back')
  assert.equal((await client.ask({ ...subscribe, id: 4 })).type, 'subscribed')
})

test('who leaves while it begins gets nothing of it (PROTOCOL 4.9, 4.19)', async (t) => {
  const gateway = await startTestGateway(t)
  publishAll(gateway, 'orders.42', range(0, 3))
  const client = await TestClient.connect(t, gateway.ws, ordersToken)
  client.send({ ...subscribe, last: 3 })
  client.send({ type: 'unsubscribe', id: 2, channel: 'orders.42' })
  const answers = [await client.ask({ type: 'ping', id: 3 })]
  assert.equal(answers[0]?.type, 'pong')
  const unsubscribed = client.frames.findIndex(({ type }) => type === 'unsubscribed')
  assert.ok(unsubscribed !== -1)
  await until('the answer to subscribe', () => client.frames.some(({ id }) => id === 1))
  const answer = client.frames.find(({ id }) => id === 1)
  assert.ok(answer?.type === 'subscribed' || answer?.code === 'not_subscribed')
  assert.ok(client.frames.slice(unsubscribed).every(({ type }) => type !== 'publication'))
  const leaver = await TestClient.connect(t, gateway.ws, mint({ subscribe: ['orders.>'] }))
  leaver.send({ ...subscribe, channel: 'orders.77', last: 3 })
  leaver.socket.terminate()
  await until('it to have left', () => gateway.counters.connections.websocket === 1)
  assert.equal(gateway.counters.subscriptions, 0)
})
