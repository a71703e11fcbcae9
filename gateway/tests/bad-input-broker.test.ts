/** What services publish is not trusted either: odd payloads, odd headers, odd subjects. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Bystander } from './bystander.js'
import { startTestGateway, type TestGateway } from './harness.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

interface Scene {
  readonly gateway: TestGateway
  readonly bystander: Bystander
  readonly json: TestClient
  readonly msgpack: TestClient
}

async function setUp(t: TestContext): Promise<Scene> {
  const gateway = await startTestGateway(t)
  const bystander = await Bystander.connect(t, gateway)
  const token = mint({ channels: ['chat.7', 'stocks.*'] })
  const [json, msgpack] = testFormats.map(({ subprotocol }) =>
    TestClient.connect(t, gateway.ws, token, subprotocol),
  )
  assert.ok(json && msgpack)
  return { gateway, bystander, json: await json, msgpack: await msgpack }
}

const payloads: readonly (readonly [string, Buffer])[] = [
  ['nothing', Buffer.alloc(0)],
  ['bytes that are not UTF-8', Buffer.from('ff00fe80c0af', 'hex')],
  ['a surrogate in UTF-8', Buffer.from('22eda08022', 'hex')],
  ['UTF-8 cut off', Buffer.from('22e282', 'hex')],
  ['a byte order mark', Buffer.from('\u{feff}{}')],
  ['half of JSON', Buffer.from('{"a":')],
  ['JSON and more', Buffer.from('{} {}')],
  ['a string that is not closed', Buffer.from('"a')],
  ['what would end the envelope', Buffer.from('1},{"type":"welcome"')],
  ['a line break and fields of SSE', Buffer.from('1\n\nevent: problem\ndata: {}\n\n')],
  ['control characters', Buffer.from('"\u0001\u0007"')],
  ['deep nesting without an end', Buffer.alloc(60_000, '[')],
  ['NaN', Buffer.from('NaN')],
]

test('a payload that is not JSON arrives as its bytes (PROTOCOL 5.3, 5.4)', async (t) => {
  const { gateway, bystander, json, msgpack } = await setUp(t)
  for (const [what, payload] of payloads) {
    await gateway.broker.publish('rt.pub.chat.7', payload, {})
    const { base64, contentType, ...rest } = await json.next('publication')
    assert.equal(base64, payload.toString('base64'), what)
    assert.equal(contentType, 'application/octet-stream')
    assert.ok(!('data' in rest))
    const binary = await msgpack.next('publication')
    assert.deepEqual(Buffer.from(binary.data as Uint8Array), payload, what)
    assert.equal(binary['contentType'], 'application/octet-stream')
  }
  await bystander.receives()
})

test('a payload nested 30,000 deep is JSON and arrives as it is (PROTOCOL 5.2)', async (t) => {
  const { gateway, bystander, msgpack, json } = await setUp(t)
  const payload = Buffer.from('['.repeat(30_000) + ']'.repeat(30_000))
  await gateway.broker.publish('rt.pub.chat.7', payload, {})
  // The test's own JSON.parse takes it, its messages would not.
  const { data } = await msgpack.next('publication')
  assert.deepEqual(Buffer.from(data as Uint8Array), payload)
  await json.find('publication')
  assert.ok(json.raw.at(-1)?.includes(payload))
  await bystander.receives()
})

const longHeader = 'x'.repeat(257)

test('odd headers are carried, ignored or dropped, and end nothing (PROTOCOL 11.2)', async (t) => {
  const { gateway, bystander, json } = await setUp(t)
  const expectations: readonly (readonly [Record<string, string>, object])[] = [
    [{ 'Content-Type': longHeader, 'Tidegate-Sender': longHeader }, { data: 1 }],
    [{ 'content-type': 'text/plain', 'tidegate-sender': 'u1' }, { data: 1 }],
    [{ 'Content-Type': '"}\u00e9' }, { base64: 'MQ==', contentType: '"}\u00e9' }],
    [{ 'Tidegate-Sender': 'Zoë "x" \\' }, { sender: 'Zoë "x" \\', data: 1 }],
    [{ __proto__x: 'y', constructor: 'z', toString: 'q' }, { data: 1 }],
  ]
  for (const [headers, expected] of expectations) {
    const published = await gateway.broker.publish('rt.pub.chat.7', Buffer.from('1'), headers)
    assert.ok(published.ok)
    const { type, channel, time, ...rest } = await json.next('publication')
    assert.deepEqual([type, channel, typeof time], ['publication', 'chat.7', 'number'])
    assert.deepEqual(rest, expected)
  }
  await bystander.receives()
})

test('a flood of headers is not read, and delays nobody (PROTOCOL 11.2)', async (t) => {
  const { gateway, bystander, json } = await setUp(t)
  const flood = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, at) => [`X-${at}`, 'x'.repeat(50)]),
  )
  for (let count = 0; count < 20; count += 1) {
    await gateway.broker.publish('rt.pub.chat.7', Buffer.from(String(count)), flood)
    assert.equal((await json.next('publication')).data, count)
  }
  await bystander.receives()
})

test('a subject that is no channel is dropped and counted (PROTOCOL 11.1)', async (t) => {
  const { gateway, bystander, json } = await setUp(t)
  const subjects = ['stocks.ä', 'stocks.a/b', `stocks.${'x'.repeat(160)}`, 'stocks.$x']
  for (const subject of subjects) {
    await gateway.broker.publish(`rt.pub.${subject}`, Buffer.from('1'), {})
  }
  assert.equal(gateway.hub.counters.publicationsBadChannel, subjects.length)
  await gateway.broker.publish('rt.pub.stocks.MSFT', Buffer.from('1'), {})
  assert.equal((await json.next('publication')).channel, 'stocks.MSFT')
  await bystander.receives()
})

test('a publication over the limit is a gap of its channel (PROTOCOL 5.6, 12.1)', async (t) => {
  const { gateway, bystander, json, msgpack } = await setUp(t)
  for (const bytes of [65_537, 1_048_576]) {
    await gateway.broker.publish('rt.pub.chat.7', Buffer.alloc(bytes, 0x20), {})
    for (const client of [json, msgpack]) {
      const gap = { type: 'gap', channel: 'chat.7', reason: 'too_large' }
      assert.deepEqual(await client.next('gap'), gap)
    }
    await bystander.receives()
  }
})
