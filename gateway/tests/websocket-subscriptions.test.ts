/** From welcome to unsubscribed: what a WebSocket is subscribed to, and what it is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeBroker } from './fake-broker.js'
import { startTestGateway, until } from './harness.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const everything = { subscribe: ['*', '*.>'], publish: ['*', '*.>'] }

for (const { name, subprotocol, text } of testFormats) {
  test(`${name}: welcome comes first and says who, where and what (PROTOCOL 4.7)`, async (t) => {
    const { ws, gateway } = await startTestGateway(t, { settings: { heartbeatSeconds: 17 } })
    const exp = Math.floor(Date.now() / 1000) + 600
    const token = mint({ exp, channels: ['chat.7', 'stocks.*', 'prices'] })
    const clients = [
      await TestClient.connect(t, ws, token, subprotocol),
      await TestClient.connect(t, ws, token, subprotocol),
    ]
    const connections = clients.map(({ frames }) => {
      const [welcome] = frames
      assert.ok(welcome)
      const { connection, ...rest } = welcome
      assert.deepEqual(rest, {
        type: 'welcome',
        node: gateway.nodeId,
        expiresAt: exp * 1000,
        heartbeatSeconds: 17,
        duplicateWindowSeconds: 120,
        subscriptions: ['chat.7', 'stocks.*', 'prices'],
      })
      return String(connection)
    })
    assert.match(gateway.nodeId, /^[0-9a-f]{16}$/)
    assert.equal(new Set(connections).size, 2)
  })

  test(`${name}: a claimed name that is refused gets an error (PROTOCOL 4.7)`, async (t) => {
    const { ws, broker } = await startTestGateway(t)
    const token = mint({ channels: ['nowhere.1', 'chat.7', 'chat.*'] })
    const client = await TestClient.connect(t, ws, token, subprotocol)
    assert.deepEqual(client.frames[0]?.['subscriptions'], ['chat.7'])
    const errors = [await client.next('error'), await client.next('error')]
    assert.deepEqual(
      errors.map(({ code, channel, id }) => [code, channel, id]),
      [
        ['unknown_namespace', 'nowhere.1', undefined],
        ['forbidden', 'chat.*', undefined],
      ],
    )
    await broker.publish('rt.pub.chat.7', Buffer.from('1'), {})
    assert.equal((await client.next('publication')).channel, 'chat.7')
  })

  test(`${name}: after subscribed everything is delivered (PROTOCOL 4.8, 2.6)`, async (t) => {
    const { ws, broker } = await startTestGateway(t)
    const client = await TestClient.connect(t, ws, mint(everything), subprotocol)
    for (const [id, channel] of ['stocks.MSFT', 'stocks.*', 'stocks.>'].entries()) {
      const answer = await client.ask({ type: 'subscribe', id, channel })
      assert.deepEqual(answer, { type: 'subscribed', id, channel })
    }
    await broker.publish('rt.pub.stocks.MSFT', Buffer.from('31.2'), {})
    const patterns: unknown[] = []
    for (let count = 0; count < 3; count += 1) {
      const publication = await client.next('publication')
      assert.equal(publication.channel, 'stocks.MSFT')
      assert.equal(text(publication), '31.2')
      patterns.push(publication['pattern'])
    }
    assert.deepEqual(patterns.sort(), ['stocks.*', 'stocks.>', undefined])
    await broker.publish('rt.pub.stocks.US.MSFT', Buffer.from('1'), {})
    assert.equal((await client.next('publication'))['pattern'], 'stocks.>')
  })

  test(`${name}: what may not be subscribed is refused by code (PROTOCOL 4.9, 2.4)`, async (t) => {
    const { ws, broker } = await startTestGateway(t, { settings: { subscriptionsMax: 3 } })
    const token = mint({ subscribe: ['chat.*', 'stocks.>', 'nowhere.*'] })
    const client = await TestClient.connect(t, ws, token, subprotocol)
    const ask = async (channel: string): Promise<unknown> => {
      const answer = await client.ask({ type: 'subscribe', id: 1, channel })
      return answer.code ?? answer.type
    }
    assert.equal(await ask('chat.7'), 'subscribed')
    assert.equal(await ask('chat 7'), 'bad_request')
    assert.equal(await ask('prices'), 'forbidden')
    assert.equal(await ask('chat.7.a'), 'forbidden')
    // The permission is there, and the namespace does not take patterns (PROTOCOL 2.4).
    assert.equal(await ask('chat.*'), 'forbidden')
    assert.equal(await ask('nowhere.1'), 'unknown_namespace')
    assert.equal(await ask('chat.7'), 'already_subscribed')
    assert.equal(await ask('stocks.*'), 'subscribed')
    assert.equal(await ask('stocks.*'), 'already_subscribed')
    assert.equal(await ask('stocks.MSFT'), 'subscribed')
    assert.equal(await ask('chat.8'), 'too_many_subscriptions')
    // None of this touched the first one.
    await broker.publish('rt.pub.chat.7', Buffer.from('1'), {})
    assert.equal((await client.next('publication')).channel, 'chat.7')
  })

  test(`${name}: unsubscribe ends exactly that name (PROTOCOL 4.10)`, async (t) => {
    const { ws, broker, counters } = await startTestGateway(t)
    const client = await TestClient.connect(t, ws, mint(everything), subprotocol)
    for (const channel of ['stocks.MSFT', 'stocks.*']) {
      await client.ask({ type: 'subscribe', id: 1, channel })
    }
    assert.equal(counters.subscriptions, 2)
    const answer = await client.ask({ type: 'unsubscribe', id: 2, channel: 'stocks.MSFT' })
    assert.deepEqual(answer, { type: 'unsubscribed', id: 2, channel: 'stocks.MSFT' })
    await broker.publish('rt.pub.stocks.MSFT', Buffer.from('1'), {})
    assert.equal((await client.next('publication'))['pattern'], 'stocks.*')
    await client.ask({ type: 'unsubscribe', id: 3, channel: 'stocks.*' })
    await broker.publish('rt.pub.stocks.MSFT', Buffer.from('2'), {})
    client.send({ type: 'ping' })
    await client.next('pong')
    assert.equal(counters.subscriptions, 0)
  })

  test(`${name}: unsubscribe of what is not there is not_subscribed (PROTOCOL 4.10)`, async (t) => {
    const { ws } = await startTestGateway(t)
    const client = await TestClient.connect(t, ws, mint(everything), subprotocol)
    await client.ask({ type: 'subscribe', id: 1, channel: 'stocks.*' })
    for (const channel of ['stocks.MSFT', 'stocks.>', 'chat.7', 'nowhere.1']) {
      const error = await client.ask({ type: 'unsubscribe', id: 2, channel })
      assert.deepEqual([error.type, error.code], ['error', 'not_subscribed'])
    }
  })
}

test('a name that the token claimed cannot be subscribed again (PROTOCOL 4.9)', async (t) => {
  const { ws } = await startTestGateway(t)
  const client = await TestClient.connect(t, ws, mint({ channels: ['chat.7'] }))
  const answer = await client.ask({ type: 'subscribe', id: 1, channel: 'chat.7' })
  assert.equal(answer.code, 'already_subscribed')
})

test('a node that has no room for another channel is overloaded (PROTOCOL 4.9)', async (t) => {
  const { ws } = await startTestGateway(t, { hubLimits: { channelsMax: 1 } })
  const token = mint({ ...everything, channels: ['chat.7'] })
  const client = await TestClient.connect(t, ws, token)
  const answer = await client.ask({ type: 'subscribe', id: 1, channel: 'chat.8' })
  assert.equal(answer.code, 'overloaded')
  // A channel that is there already needs no room.
  const other = await TestClient.connect(t, ws, mint(everything))
  assert.equal((await other.ask({ type: 'subscribe', id: 1, channel: 'chat.7' })).code, undefined)
})

test('without the broker there is no subscription (PROTOCOL 4.9)', async (t) => {
  const broker = new FakeBroker()
  const { ws, counters } = await startTestGateway(t, { broker })
  const client = await TestClient.connect(t, ws, mint(everything))
  broker.disconnect()
  const refused = await client.ask({ type: 'subscribe', id: 1, channel: 'chat.7' })
  assert.equal(refused.code, 'broker_unavailable')
  broker.connect()
  // Refused while it was asked: the same.
  broker.holdConfirmations()
  client.send({ type: 'subscribe', id: 2, channel: 'chat.7' })
  await until('the broker to be asked', () => broker.heldCount === 1)
  broker.releaseConfirmations(false)
  const lost = await client.find('error')
  assert.deepEqual([lost.id, lost.code], [2, 'broker_unavailable'])
  assert.equal(counters.subscriptions, 0)
  const answer = await client.ask({ type: 'subscribe', id: 3, channel: 'chat.7' })
  assert.equal(answer.type, 'subscribed')
})

test('publications may come before subscribed does (PROTOCOL 4.8)', async (t) => {
  const broker = new FakeBroker()
  const { ws } = await startTestGateway(t, { broker })
  const client = await TestClient.connect(t, ws, mint(everything))
  broker.holdConfirmations()
  client.send({ type: 'subscribe', id: 1, channel: 'chat.7' })
  await until('the broker to be asked', () => broker.heldCount === 1)
  await broker.publish('rt.pub.chat.7', Buffer.from('1'), {})
  await client.next('publication')
  broker.releaseConfirmations(true)
  await client.next('subscribed')
})

test('a subscribe that is undone while it waits is answered (PROTOCOL 4.4)', async (t) => {
  const broker = new FakeBroker()
  const { ws } = await startTestGateway(t, { broker })
  const client = await TestClient.connect(t, ws, mint(everything))
  broker.holdConfirmations()
  client.send({ type: 'subscribe', id: 1, channel: 'chat.7' })
  await until('the broker to be asked', () => broker.heldCount === 1)
  const unsubscribed = await client.ask({ type: 'unsubscribe', id: 2, channel: 'chat.7' })
  assert.equal(unsubscribed.type, 'unsubscribed')
  broker.releaseConfirmations(true)
  const answer = await client.next('error')
  assert.deepEqual([answer.id, answer.code], [1, 'not_subscribed'])
})

test('with the broker back every subscription hears of a gap (PROTOCOL 10.6, 5.6)', async (t) => {
  const broker = new FakeBroker()
  const { ws } = await startTestGateway(t, { broker })
  const token = mint({ channels: ['chat.7', 'stocks.*'] })
  const client = await TestClient.connect(t, ws, token)
  broker.disconnect()
  assert.deepEqual(await client.ask({ type: 'ping', id: 1 }), { type: 'pong', id: 1 })
  broker.connect()
  const gaps = [await client.next('gap'), await client.next('gap')]
  assert.deepEqual(gaps, [
    { type: 'gap', channel: 'chat.7', reason: 'broker_disconnected' },
    { type: 'gap', channel: 'stocks.*', reason: 'broker_disconnected' },
  ])
})

test('a closed connection leaves no subscription behind', async (t) => {
  const { ws, counters } = await startTestGateway(t)
  const token = mint({ channels: ['chat.7', 'stocks.*'] })
  const client = await TestClient.connect(t, ws, token)
  assert.equal(counters.subscriptions, 2)
  client.socket.terminate()
  await until('the connection to be closed', () => counters.connections.websocket === 0)
  assert.equal(counters.subscriptions, 0)
})
