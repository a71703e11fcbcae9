/** The publish frame: which bytes reach the broker, under whose name, and what is refused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { tapBroker } from './broker-tap.js'
import { FakeBroker } from './fake-broker.js'
import { startTestGateway } from './harness.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const claims = { subscribe: ['chat.>'], publish: ['chat.>', 'nowhere.*', 'stocks.>'] }

for (const { name, subprotocol, data, text } of testFormats) {
  test(`${name}: published means that the broker has it (PROTOCOL 4.11, 5.5)`, async (t) => {
    const { ws, broker } = await startTestGateway(t)
    const arrived = tapBroker(broker, 'rt.pub.chat.7')
    const client = await TestClient.connect(t, ws, mint({ ...claims, sub: 'u1' }), subprotocol)
    const frame = { type: 'publish', id: 3, channel: 'chat.7', data: data('{"text":"hi"}') }
    // Whatever a frame says of its sender has no effect.
    const answer = await client.ask({ ...frame, sender: 'u2', 'Tidegate-Sender': 'u2' })
    assert.deepEqual(answer, { type: 'published', id: 3 })
    assert.deepEqual(arrived, [
      {
        subject: 'rt.pub.chat.7',
        payload: Buffer.from('{"text":"hi"}'),
        contentType: undefined,
        sender: 'u1',
      },
    ])
  })

  test(`${name}: who subscribes receives its own publication too (PROTOCOL 4.11)`, async (t) => {
    const { ws } = await startTestGateway(t)
    const client = await TestClient.connect(t, ws, mint(claims), subprotocol)
    await client.ask({ type: 'subscribe', id: 1, channel: 'chat.7' })
    client.send({ type: 'publish', id: 2, channel: 'chat.7', data: data('"hi"') })
    const publication = await client.find('publication')
    assert.equal(text(publication), '"hi"')
    assert.ok(!('sender' in publication))
  })

  test(`${name}: what may not be published is refused (PROTOCOL 4.11)`, async (t) => {
    const { ws, broker } = await startTestGateway(t)
    const arrived = tapBroker(broker, 'rt.pub.>')
    const client = await TestClient.connect(t, ws, mint(claims), subprotocol)
    const ask = async (channel: unknown, json = '1'): Promise<unknown> => {
      const answer = await client.ask({ type: 'publish', id: 1, channel, data: data(json) })
      return answer.code ?? answer.type
    }
    assert.equal(await ask('chat.*'), 'bad_request')
    assert.equal(await ask('chat.'), 'bad_request')
    // A pattern is refused where the namespace takes patterns, too.
    assert.equal(await ask('stocks.*'), 'bad_request')
    assert.equal(await ask(7), 'bad_request')
    assert.equal(await ask('prices'), 'forbidden')
    assert.equal(await ask('nowhere.1'), 'unknown_namespace')
    const most = JSON.stringify('x'.repeat(65_534))
    assert.equal(await ask('chat.7', `"x${most.slice(1)}`), 'too_large')
    assert.equal(arrived.length, 0)
    assert.equal(await ask('chat.7', most), 'published')
    assert.equal(arrived[0]?.payload.length, 65_536)
  })

  test(`${name}: without the broker it is broker_unavailable (PROTOCOL 4.11)`, async (t) => {
    const broker = new FakeBroker()
    const { ws } = await startTestGateway(t, { broker })
    const client = await TestClient.connect(t, ws, mint(claims), subprotocol)
    const frame = { type: 'publish', id: 1, channel: 'chat.7', data: data('1') }
    broker.disconnect()
    assert.equal((await client.ask(frame)).code, 'broker_unavailable')
    broker.connect()
    assert.equal((await client.ask(frame)).type, 'published')
  })

  test(`${name}: an idempotency key may be there and has no effect (PROTOCOL 4.14)`, async (t) => {
    const { ws, broker } = await startTestGateway(t)
    const arrived = tapBroker(broker, 'rt.pub.chat.7')
    const client = await TestClient.connect(t, ws, mint(claims), subprotocol)
    const frame = { type: 'publish', id: 1, channel: 'chat.7', data: data('1') }
    for (const idempotencyKey of ['k', 'k', '~'.repeat(128)]) {
      assert.equal((await client.ask({ ...frame, idempotencyKey })).type, 'published')
    }
    assert.equal(arrived.length, 3)
    for (const idempotencyKey of ['', 'a b', 'ä', 'x'.repeat(129), 7, null]) {
      assert.equal((await client.ask({ ...frame, idempotencyKey })).code, 'bad_request')
    }
    assert.equal(arrived.length, 3)
  })
}

test('JSON: data is published byte for byte (PROTOCOL 4.12)', async (t) => {
  const { ws, broker } = await startTestGateway(t)
  const arrived = tapBroker(broker, 'rt.pub.chat.7')
  const client = await TestClient.connect(t, ws, mint(claims))
  const payloads = [
    '12345678901234567890123',
    '{"b":1,"a":1e400,"b":2}',
    '{\r\n  "text" : "h\\u00e9 é \\/ 😀",\n\t"x":[ ]}',
    'null',
    '"\\ud800"',
    '-0.0',
  ]
  for (const payload of payloads) {
    const frame = `{"type":"publish","data" : \n ${payload} \t,"id":1,"channel":"chat.7"}`
    client.socket.send(frame)
    await client.next('published')
    assert.equal(arrived.at(-1)?.payload.toString(), payload)
  }
  // The last of several counts, and a key may be written with escapes.
  client.socket.send(
    '{"data":1,"type":"publish","id":1,"channel":"chat.8","d\\u0061ta":2,"channel":"chat.7"}',
  )
  await client.next('published')
  assert.equal(arrived.at(-1)?.payload.toString(), '2')
})

test('JSON: base64 is published as the bytes that it holds (PROTOCOL 4.12)', async (t) => {
  const { ws, broker } = await startTestGateway(t)
  const arrived = tapBroker(broker, 'rt.pub.chat.7')
  const client = await TestClient.connect(t, ws, mint(claims))
  const frame = { type: 'publish', id: 1, channel: 'chat.7', base64: '/9j/4A==' }
  await client.ask(frame)
  await client.ask({ ...frame, contentType: 'image/jpeg' })
  const payload = Buffer.from([0xff, 0xd8, 0xff, 0xe0])
  assert.deepEqual(
    arrived.map(({ payload, contentType }) => [payload, contentType]),
    [
      [payload, 'application/octet-stream'],
      [payload, 'image/jpeg'],
    ],
  )
})

test('JSON: both payloads, neither, or data with a type are refused (PROTOCOL 4.12)', async (t) => {
  const { ws, broker } = await startTestGateway(t)
  const arrived = tapBroker(broker, 'rt.pub.>')
  const client = await TestClient.connect(t, ws, mint(claims))
  const payloads = [
    {},
    { data: 1, base64: 'AA==' },
    { data: 1, contentType: 'application/json' },
    { contentType: 'text/plain' },
    { base64: 'AA' },
    { base64: 'A A=' },
    { base64: '_-8=' },
    { base64: 7 },
  ]
  for (const payload of payloads) {
    const answer = await client.ask({ type: 'publish', id: 1, channel: 'chat.7', ...payload })
    assert.equal(answer.code, 'bad_request', JSON.stringify(payload))
  }
  assert.equal(arrived.length, 0)
})

test('MessagePack: data is binary, with its type or without (PROTOCOL 4.13)', async (t) => {
  const { ws, broker } = await startTestGateway(t)
  const arrived = tapBroker(broker, 'rt.pub.chat.7')
  const client = await TestClient.connect(t, ws, mint(claims), 'tidegate.v1.msgpack')
  const frame = { type: 'publish', id: 1, channel: 'chat.7' }
  const payload = Buffer.from([0xff, 0xd8, 0xff, 0xe0])
  assert.equal((await client.ask({ ...frame, data: payload })).type, 'published')
  const typed = { ...frame, data: payload, contentType: 'image/jpeg' }
  assert.equal((await client.ask(typed)).type, 'published')
  assert.deepEqual(
    arrived.map(({ payload, contentType }) => [payload, contentType]),
    [
      [payload, undefined],
      [payload, 'image/jpeg'],
    ],
  )
  for (const data of ['text', 7, null, true, [1, 2], { a: 1 }]) {
    assert.equal((await client.ask({ ...frame, data })).code, 'bad_request')
  }
  assert.equal((await client.ask({ ...frame, base64: '/9j/4A==' })).code, 'bad_request')
  assert.equal(arrived.length, 2)
})

test('a content type that is no media type is refused (PROTOCOL 4.14)', async (t) => {
  const { ws, broker } = await startTestGateway(t)
  const arrived = tapBroker(broker, 'rt.pub.chat.7')
  const json = await TestClient.connect(t, ws, mint(claims))
  const msgpack = await TestClient.connect(t, ws, mint(claims), 'tidegate.v1.msgpack')
  const frame = { type: 'publish', id: 1, channel: 'chat.7' }
  const types = ['', 'jpeg', 'a/b\r\nTidegate-Sender: x', 'a/b; ü', 'a/', '/b', 'a b/c', 7, null]
  for (const contentType of [...types, `a/${'b'.repeat(255)}`]) {
    const answer = await json.ask({ ...frame, base64: 'AA==', contentType })
    assert.equal(answer.code, 'bad_request', String(contentType))
    const binary = await msgpack.ask({ ...frame, data: Buffer.from([0]), contentType })
    assert.equal(binary.code, 'bad_request', String(contentType))
  }
  assert.equal(arrived.length, 0)
  for (const contentType of ['text/plain; charset=utf-8', `a/${'b'.repeat(254)}`]) {
    assert.equal((await json.ask({ ...frame, base64: 'AA==', contentType })).type, 'published')
    assert.equal(arrived.at(-1)?.contentType, contentType)
  }
})
