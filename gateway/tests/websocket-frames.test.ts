/** What all frames have in common: encoding, ids, and the answer to one that is malformed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Packr } from 'msgpackr'
import { Bystander } from './bystander.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway } from './harness.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const packr = new Packr({ useRecords: false })

for (const { name, subprotocol, isBinary, data } of testFormats) {
  test(`${name}: a message of the other kind closes with 4502 (PROTOCOL 4.2, 9.4)`, async (t) => {
    const gateway = await startTestGateway(t)
    const bystander = await Bystander.connect(t, gateway)
    const client = await TestClient.connect(t, gateway.ws, mint(), subprotocol)
    const frame = { type: 'ping', id: 1 }
    client.socket.send(isBinary ? JSON.stringify(frame) : packr.pack(frame))
    assert.deepEqual(await client.closed, { code: 4502, reason: 'protocol_error' })
    await bystander.receives()
  })

  test(`${name}: every message of the server is of its kind (PROTOCOL 4.2)`, async (t) => {
    const { ws, broker } = await startTestGateway(t, { clock: new FakeClock() })
    const client = await TestClient.connect(t, ws, mint({ channels: ['chat.7'] }), subprotocol)
    const kinds: boolean[] = []
    client.socket.on('message', (_, isBinaryMessage) => kinds.push(isBinaryMessage))
    await broker.publish('rt.pub.chat.7', Buffer.from('1'), {})
    await client.ask({ type: 'ping', id: 1 })
    await client.ask({ type: 'nonsense', id: 2 })
    assert.deepEqual(kinds, [isBinary, isBinary, isBinary])
  })

  test(`${name}: an answer repeats the id, which may be used twice (PROTOCOL 4.4)`, async (t) => {
    const { ws } = await startTestGateway(t)
    const token = mint({ subscribe: ['chat.*'], publish: ['chat.*'] })
    const client = await TestClient.connect(t, ws, token, subprotocol)
    for (const id of [0, 1, 127, 128, 65_536, 2_147_483_647, 1, 1]) {
      assert.deepEqual(await client.ask({ type: 'ping', id }), { type: 'pong', id })
    }
    const channel = 'chat.7'
    const id = 5
    const subscribed = await client.ask({ type: 'subscribe', id, channel })
    assert.deepEqual(subscribed, { type: 'subscribed', id, channel })
    const frame = { type: 'publish', id, channel: 'chat.8', data: data('1') }
    assert.deepEqual(await client.ask(frame), { type: 'published', id })
    const unsubscribed = await client.ask({ type: 'unsubscribe', id, channel })
    assert.deepEqual(unsubscribed, { type: 'unsubscribed', id, channel })
  })

  test(`${name}: only ping may leave out the id (PROTOCOL 4.4)`, async (t) => {
    const { ws } = await startTestGateway(t)
    const client = await TestClient.connect(t, ws, mint(), subprotocol)
    const channel = 'chat.7'
    const frames = [
      { type: 'subscribe', channel },
      { type: 'unsubscribe', channel },
      { type: 'publish', channel, data: data('1') },
      { type: 'refresh', token: 'x' },
    ]
    for (const frame of frames) {
      client.send(frame)
      const error = await client.next('error')
      assert.equal(error.code, 'bad_request')
      assert.ok(!('id' in error))
    }
  })

  test(`${name}: ping is answered with pong, its id if it has one (PROTOCOL 4.15)`, async (t) => {
    const { ws } = await startTestGateway(t)
    const client = await TestClient.connect(t, ws, mint(), subprotocol)
    client.send({ type: 'ping' })
    assert.deepEqual(await client.next('pong'), { type: 'pong' })
    client.send({ type: 'ping', id: 9 })
    assert.deepEqual(await client.next('pong'), { type: 'pong', id: 9 })
  })

  test(`${name}: a frame of a wrong shape is bad_request with its id (PROTOCOL 4.5)`, async (t) => {
    const gateway = await startTestGateway(t)
    const bystander = await Bystander.connect(t, gateway)
    const client = await TestClient.connect(t, gateway.ws, mint(), subprotocol)
    const shapes = [
      {},
      { type: 1 },
      { type: null },
      { type: ['subscribe'] },
      { type: 'nonsense' },
      { type: 'Subscribe', channel: 'chat.7' },
      { type: 'welcome' },
      { type: '__proto__' },
      { type: 'constructor' },
      { type: 'subscribe' },
      { type: 'subscribe', channel: 7 },
      { type: 'subscribe', channel: null },
      { type: 'subscribe', channel: ['chat.7'] },
      { type: 'subscribe', channel: { a: 1 } },
      { type: 'unsubscribe' },
      { type: 'unsubscribe', channel: '' },
      { type: 'publish', channel: 'chat.7' },
      { type: 'publish', data: data('1') },
      { type: 'publish', channel: 'chat.*', data: data('1') },
      { type: 'refresh' },
      { type: 'refresh', token: '' },
      { type: 'refresh', token: 7 },
    ]
    for (const shape of shapes) {
      const error = await client.ask({ ...shape, id: 3 })
      assert.equal(error.type, 'error', JSON.stringify(shape))
      assert.equal(error.code, 'bad_request', JSON.stringify(shape))
      assert.ok(String(error['message']).length > 0)
    }
    assert.deepEqual(await client.ask({ type: 'ping', id: 4 }), { type: 'pong', id: 4 })
    await bystander.receives()
  })

  test(`${name}: an id that cannot be read is not repeated (PROTOCOL 4.5)`, async (t) => {
    const { ws } = await startTestGateway(t)
    const client = await TestClient.connect(t, ws, mint(), subprotocol)
    for (const id of [-1, 1.5, 2_147_483_648, 1e300, '1', null, true, [1], {}]) {
      client.send({ type: 'ping', id })
      const error = await client.next('error')
      assert.equal(error.code, 'bad_request', JSON.stringify(id))
      assert.ok(!('id' in error))
    }
  })

  test(`${name}: an error repeats at most 60 characters of a frame (PROTOCOL 4.5)`, async (t) => {
    const { ws } = await startTestGateway(t)
    const client = await TestClient.connect(t, ws, mint(), subprotocol)
    const long = 'x'.repeat(5000)
    for (const frame of [{ type: long }, { type: 'subscribe', channel: long }]) {
      const { message } = await client.ask({ ...frame, id: 1 })
      const [repeated = ''] = /x+/.exec(String(message)) ?? []
      assert.ok(repeated.length > 0 && repeated.length <= 60, String(message))
    }
  })

  test(`${name}: an error has a code, a message and its id (PROTOCOL 4.6)`, async (t) => {
    const { ws } = await startTestGateway(t)
    const client = await TestClient.connect(t, ws, mint(), subprotocol)
    const error = await client.ask({ type: 'subscribe', id: 3, channel: 'orders.42' })
    assert.deepEqual(Object.keys(error).sort(), ['code', 'id', 'message', 'type'])
    assert.equal(error.code, 'forbidden')
    assert.match(String(error['message']), /orders\.42/)
  })

  test(`${name}: members that nobody knows are ignored (PROTOCOL 1.3)`, async (t) => {
    const { ws } = await startTestGateway(t)
    const token = mint({ subscribe: ['chat.*'] })
    const client = await TestClient.connect(t, ws, token, subprotocol)
    const unknown = { replay: { epoch: 'x' }, delivery: 'latest', sender: 'me', ['']: [{}] }
    const answer = await client.ask({ ...unknown, type: 'subscribe', id: 1, channel: 'chat.7' })
    assert.deepEqual(answer, { type: 'subscribed', id: 1, channel: 'chat.7' })
  })
}

test('MessagePack: integers beyond 32 bits are 64-bit floats (PROTOCOL 4.3)', async (t) => {
  const { ws } = await startTestGateway(t)
  const client = await TestClient.connect(t, ws, mint(), 'tidegate.v1.msgpack')
  const [welcome] = client.raw
  const key = Buffer.from('expiresAt')
  const at = (welcome?.indexOf(key) ?? -1) + key.length
  assert.equal(welcome?.[at], 0xcb)
  assert.equal(welcome?.readDoubleBE(at + 1), client.frames[0]?.['expiresAt'])
})

test('MessagePack: an id may come in any format that holds it (PROTOCOL 4.3)', async (t) => {
  const { ws } = await startTestGateway(t)
  const client = await TestClient.connect(t, ws, mint(), 'tidegate.v1.msgpack')
  const ids = ['07', 'cc07', 'cd0007', 'ce00000007', 'cf0000000000000007', 'd007', 'd10007']
  ids.push('d200000007', 'd30000000000000007', 'ca40e00000', 'cb401c000000000000')
  for (const id of ids) {
    client.socket.send(Buffer.from(`82a474797065a470696e67a26964${id}`, 'hex'))
    assert.deepEqual(await client.next('pong'), { type: 'pong', id: 7 })
  }
})
