/** Literal bytes that are no good frames: each is answered, nothing ends, nobody else notices. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Packr } from 'msgpackr'
import { Bystander } from './bystander.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway, type TestGatewayOptions } from './harness.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const packr = new Packr({ useRecords: false })
const everything = mint({ subscribe: ['*', '*.>'], publish: ['*', '*.>'] })

interface Scene {
  readonly gateway: TestGateway
  readonly bystander: Bystander
  readonly client: TestClient
}

async function setUp(
  t: TestContext,
  subprotocol: string,
  options: TestGatewayOptions = {},
): Promise<Scene> {
  const gateway = await startTestGateway(t, options)
  const bystander = await Bystander.connect(t, gateway)
  const client = await TestClient.connect(t, gateway.ws, everything, subprotocol)
  return { gateway, bystander, client }
}

/** The connection is usable, and the bystander was not disturbed. */
async function expectUnharmed({ client, bystander }: Scene): Promise<void> {
  assert.deepEqual(await client.ask({ type: 'ping', id: 77 }), { type: 'pong', id: 77 })
  await bystander.receives()
}

const badTexts: readonly (string | Buffer)[] = [
  '',
  ' ',
  'nonsense',
  '{',
  '{}}',
  "{'type':'ping'}",
  '{"type":"ping",}',
  '{"type":"ping"}{"type":"ping"}',
  '\u{feff}{"type":"ping"}',
  '{"type":"ping"}\0',
  '\0'.repeat(1000),
  'null',
  'true',
  '7',
  '-1e999',
  '"ping"',
  '["ping"]',
  '[{"type":"ping"}]',
  '{"type":"ping","id":NaN}',
  '{"__proto__":{"type":"ping"}}',
  '{"__proto__":{"type":"ping"},"id":1}',
  '{"constructor":{"prototype":{"type":"ping"}}}',
  '{"toString":1,"hasOwnProperty":1}',
]

test('JSON: bytes that are no frame are bad_request (PROTOCOL 4.5, 4.2)', async (t) => {
  const scene = await setUp(t, 'tidegate.v1.json')
  for (const text of badTexts) {
    scene.client.socket.send(text, { binary: false })
    const error = await scene.client.next('error')
    assert.equal(error.code, 'bad_request', String(text))
  }
  await expectUnharmed(scene)
  assert.equal(({} as { type?: unknown }).type, undefined)
})

const badBinaries: readonly string[] = [
  '',
  'c1',
  'c0',
  '07',
  '91a470696e67',
  // A map that is truncated, one with bytes left over, one of 2^32 - 1 entries that are not there.
  '81a474797065',
  '81a474797065a470696e',
  '81a474797065a470696e6700',
  'dfffffffff',
  'ddffffffff',
  'dbffffffff',
  'c6ffffffff',
  // Keys that are no strings; an extension type; a record of msgpackr's own.
  '810701',
  '81c0a470696e67',
  '81a474797065d40100',
  'd4720193a161a162a163010203',
  // {"__proto__":{"type":"ping"}}
  '81a95f5f70726f746f5f5f81a474797065a470696e67',
]

test('MessagePack: bytes that are no frame are bad_request (PROTOCOL 4.5, 4.3)', async (t) => {
  const scene = await setUp(t, 'tidegate.v1.msgpack')
  for (const hex of badBinaries) {
    scene.client.socket.send(Buffer.from(hex, 'hex'))
    const error = await scene.client.next('error')
    assert.equal(error.code, 'bad_request', hex)
  }
  await expectUnharmed(scene)
  assert.equal(({} as { type?: unknown }).type, undefined)
})

test('JSON: 100,000 levels of nesting are read, or refused (PROTOCOL 4.5, 4.12)', async (t) => {
  // Over the default limit of a frame, so that the depth itself is tried.
  const settings = { frameBytesMax: 1_000_000, publicationBytesMax: 1_000_000 }
  const scene = await setUp(t, 'tidegate.v1.json', {
    settings,
    hubLimits: { publicationBytesMax: 1_000_000 },
  })
  const { client, gateway } = scene
  const depth = 100_000
  const arrays = '['.repeat(depth) + ']'.repeat(depth)
  const objects = '{"a":'.repeat(depth) + '1' + '}'.repeat(depth)
  for (const nested of [arrays, objects, '['.repeat(depth), '{"a":'.repeat(depth)]) {
    client.socket.send(nested)
    assert.equal((await client.next('error')).code, 'bad_request')
    client.socket.send(`{"type":"ping","id":1,"x":${nested}}`)
    const isWhole = nested.endsWith('}') || nested.endsWith(']')
    await client.next(isWhole ? 'pong' : 'error')
  }
  for (const nested of [arrays, objects]) {
    client.socket.send(`{"type":"publish","id":2,"channel":"chat.7","data":${nested}}`)
    assert.deepEqual(await client.next('published'), { type: 'published', id: 2 })
  }
  await expectUnharmed(scene)
  assert.equal(gateway.counters.publicationsAccepted, 2)
})

test('MessagePack: 100,000 levels of nesting are refused (PROTOCOL 4.3)', async (t) => {
  const settings = { frameBytesMax: 1_000_000 }
  const scene = await setUp(t, 'tidegate.v1.msgpack', { settings })
  const depth = 100_000
  const frames = [
    Buffer.alloc(depth, 0x91),
    Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]),
    Buffer.concat([Buffer.from('82a474797065a470696e67a161', 'hex'), Buffer.alloc(depth, 0x91)]),
    Buffer.from('81a161'.repeat(depth), 'hex'),
  ]
  for (const frame of frames) {
    scene.client.socket.send(frame)
    assert.equal((await scene.client.next('error')).code, 'bad_request')
  }
  await expectUnharmed(scene)
})

const badChannels: readonly string[] = [
  '',
  ' ',
  'chat 7',
  'chat.7 ',
  'chat.',
  '.chat',
  'chat..7',
  '.',
  '*',
  '>',
  '*.7',
  '>.chat',
  'chat.>.7',
  'chat.a*',
  'chat.7>',
  'ä',
  'chat/7',
  'chat.\0',
  'chat.7\r\nPUB x 1',
  '$SYS.>',
  Array.from({ length: 17 }, () => 'a').join('.'),
  'a'.repeat(161),
  `chat.${'a'.repeat(156)}`,
]

for (const { name, subprotocol, data } of testFormats) {
  test(`${name}: what is no channel is bad_request (PROTOCOL 2.1, 4.9, 4.11)`, async (t) => {
    const scene = await setUp(t, subprotocol)
    for (const channel of badChannels) {
      for (const type of ['subscribe', 'unsubscribe', 'publish']) {
        const frame = { type, id: 1, channel, data: data('1') }
        const { code } = await scene.client.ask(frame)
        assert.equal(code, 'bad_request', `${type} ${JSON.stringify(channel)}`)
      }
    }
    await expectUnharmed(scene)
  })

  test(`${name}: a wildcard is no channel to publish to (PROTOCOL 4.11, 2.3)`, async (t) => {
    const scene = await setUp(t, subprotocol)
    for (const channel of ['stocks.*', 'stocks.>', 'stocks.*.x']) {
      const frame = { type: 'publish', id: 1, channel, data: data('1') }
      assert.equal((await scene.client.ask(frame)).code, 'bad_request')
    }
    await expectUnharmed(scene)
  })

  test(`${name}: a frame over the limit is too_large (PROTOCOL 4.16, 12.1)`, async (t) => {
    const scene = await setUp(t, subprotocol)
    const { client } = scene
    const frame = (bytes: number): Buffer => {
      const make = (filler: string): Buffer => {
        const whole = { type: 'ping', id: 1, filler }
        return name === 'JSON' ? Buffer.from(JSON.stringify(whole)) : Buffer.from(packr.pack(whole))
      }
      const spare = bytes - make('x'.repeat(70_000)).length + 70_000
      return make('x'.repeat(spare))
    }
    const isText = { binary: name !== 'JSON' }
    const [fits, over] = [frame(81_920), frame(81_921)]
    assert.deepEqual([fits.length, over.length], [81_920, 81_921])
    client.socket.send(fits, isText)
    assert.deepEqual(await client.next('pong'), { type: 'pong', id: 1 })
    client.socket.send(over, isText)
    const error = await client.next('error')
    assert.deepEqual([error.code, error.id], ['too_large', undefined])
    client.socket.send(Buffer.alloc(163_840, 0x20), isText)
    assert.equal((await client.next('error')).code, 'too_large')
    await expectUnharmed(scene)
  })

  test(`${name}: over twice the limit the connection ends (PROTOCOL 4.16)`, async (t) => {
    const { gateway, bystander, client } = await setUp(t, subprotocol)
    client.socket.send(Buffer.alloc(163_841, 0x20), { binary: name !== 'JSON' })
    const { code } = await client.closed
    assert.ok(code === 1009 || code === 1006, String(code))
    await until('the connection to be gone', () => gateway.counters.connections.websocket === 1)
    await bystander.receives()
  })

  test(`${name}: too many subscriptions are refused (PROTOCOL 4.9, 12.1)`, async (t) => {
    const clock = new FakeClock()
    const scene = await setUp(t, subprotocol, { clock })
    const { client, gateway } = scene
    for (let id = 0; id < 256; id += 1) {
      if (id % 100 === 0) clock.advance(1000)
      const answer = await client.ask({ type: 'subscribe', id, channel: `chat.${id}` })
      assert.equal(answer.type, 'subscribed')
    }
    for (const id of [256, 257]) {
      const answer = await client.ask({ type: 'subscribe', id, channel: `chat.${id}` })
      assert.equal(answer.code, 'too_many_subscriptions')
    }
    await client.ask({ type: 'unsubscribe', id: 1, channel: 'chat.1' })
    const answer = await client.ask({ type: 'subscribe', id: 2, channel: 'chat.256' })
    assert.equal(answer.type, 'subscribed')
    assert.equal(gateway.counters.subscriptions, 257)
    await expectUnharmed(scene)
  })

  test(`${name}: too many frames are dropped, told once a second (PROTOCOL 4.17)`, async (t) => {
    const clock = new FakeClock()
    const scene = await setUp(t, subprotocol, { clock })
    const { client, gateway } = scene
    const sendAll = async (count: number): Promise<void> => {
      const before = gateway.counters.framesReceived
      for (let id = 0; id < count; id += 1) client.send({ type: 'ping', id })
      await until('the frames to be read', () => gateway.counters.framesReceived === before + count)
    }
    await sendAll(300)
    for (let id = 0; id < 200; id += 1) assert.equal((await client.next('pong')).id, id)
    const error = await client.next('error')
    assert.deepEqual([error.code, error.id], ['rate_limited', undefined])
    assert.equal(gateway.counters.refusals.rate_limited, 100)
    // A second later there is room for a hundred, and for one answer.
    clock.advance(1000)
    await sendAll(150)
    for (let id = 0; id < 100; id += 1) assert.equal((await client.next('pong')).id, id)
    assert.equal((await client.next('error')).code, 'rate_limited')
    clock.advance(10)
    await expectUnharmed(scene)
    assert.equal(gateway.counters.refusals.rate_limited, 150)
  })

  test(`${name}: to subscribe twice or end nothing harms none (PROTOCOL 4.9, 4.10)`, async (t) => {
    const scene = await setUp(t, subprotocol)
    const { client, gateway } = scene
    const frame = { id: 1, channel: 'chat.bystander' }
    assert.equal((await client.ask({ type: 'unsubscribe', ...frame })).code, 'not_subscribed')
    assert.equal((await client.ask({ type: 'subscribe', ...frame })).type, 'subscribed')
    assert.equal((await client.ask({ type: 'subscribe', ...frame })).code, 'already_subscribed')
    assert.equal((await client.ask({ type: 'unsubscribe', ...frame })).type, 'unsubscribed')
    assert.equal((await client.ask({ type: 'unsubscribe', ...frame })).code, 'not_subscribed')
    assert.equal(gateway.counters.subscriptions, 1)
    await expectUnharmed(scene)
  })
}
