/** What a WebSocket receives: publications in literal bytes, their order, and the gaps. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from './fake-clock.js'
import { startTestGateway } from './harness.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient, type ReceivedFrame } from './websocket-client.js'

const now = 1_767_225_600_000

/** A token for a clock that stands in 2026. */
function tokenOf(claims: object): string {
  return mint({ exp: now / 1000 + 600, ...claims })
}

async function lastText(client: TestClient): Promise<string> {
  await client.next('publication')
  return String(client.raw.at(-1))
}

test('JSON: a publication has its members in this order (PROTOCOL 5.1)', async (t) => {
  const { ws, broker } = await startTestGateway(t, { clock: new FakeClock(now) })
  const client = await TestClient.connect(t, ws, tokenOf({ channels: ['stocks.*', 'chat.7'] }))
  const json = Buffer.from('{"price":31.2}')
  await broker.publish('rt.pub.stocks.MSFT', json, { 'Tidegate-Sender': 'feed' })
  assert.equal(
    await lastText(client),
    '{"type":"publication","channel":"stocks.MSFT","pattern":"stocks.*",' +
      `"time":${now},"sender":"feed","data":{"price":31.2}}`,
  )
  await broker.publish('rt.pub.chat.7', Buffer.from('"hi"'), {})
  assert.equal(
    await lastText(client),
    `{"type":"publication","channel":"chat.7","time":${now},"data":"hi"}`,
  )
})

test('JSON: a payload that is JSON arrives byte for byte (PROTOCOL 5.2)', async (t) => {
  const { ws, broker } = await startTestGateway(t, { clock: new FakeClock(now) })
  const client = await TestClient.connect(t, ws, tokenOf({ channels: ['chat.7'] }))
  const payloads = [
    '12345678901234567890123',
    '{ "b" : 1,\r\n"a" : 1e400, "b" : 2 }',
    ' \t"h\\u00e9 é \\/ 😀\\ud800" \n',
    `[${'['.repeat(500)}${']'.repeat(500)}]`,
    '"\u2028\u007f\uffff"',
  ]
  for (const contentType of [undefined, 'application/json', 'Application/JSON; charset=utf-8']) {
    const headers = contentType === undefined ? {} : { 'Content-Type': contentType }
    for (const payload of payloads) {
      await broker.publish('rt.pub.chat.7', Buffer.from(payload), headers)
      const head = `{"type":"publication","channel":"chat.7","time":${now},"data":`
      assert.equal(await lastText(client), `${head}${payload}}`)
    }
  }
})

test('JSON: any other payload is carried as base64 with its type (PROTOCOL 5.3)', async (t) => {
  const { ws, broker } = await startTestGateway(t, { clock: new FakeClock(now) })
  const client = await TestClient.connect(t, ws, tokenOf({ channels: ['chat.7'] }))
  const cases: [Buffer, string | undefined, string][] = [
    [Buffer.from('ffd8ffe0', 'hex'), 'image/jpeg', 'image/jpeg'],
    [Buffer.from('ffd8ffe0', 'hex'), undefined, 'application/octet-stream'],
    [Buffer.from('{"a":'), undefined, 'application/octet-stream'],
    [Buffer.from('\u{feff}1'), undefined, 'application/octet-stream'],
    [Buffer.from('1 2'), 'application/json', 'application/json'],
    [Buffer.from('{"a":1}'), 'text/plain', 'text/plain'],
    [Buffer.alloc(0), undefined, 'application/octet-stream'],
  ]
  for (const [payload, type, contentType] of cases) {
    const headers = type === undefined ? {} : { 'Content-Type': type }
    await broker.publish('rt.pub.chat.7', payload, headers)
    assert.equal(
      await lastText(client),
      `{"type":"publication","channel":"chat.7","time":${now},` +
        `"base64":"${payload.toString('base64')}","contentType":"${contentType}"}`,
    )
  }
})

test('MessagePack: data is bytes, with a type unless they are JSON (PROTOCOL 5.4)', async (t) => {
  const { ws, broker } = await startTestGateway(t, { clock: new FakeClock(now) })
  const token = tokenOf({ channels: ['chat.7'] })
  const client = await TestClient.connect(t, ws, token, 'tidegate.v1.msgpack')
  const time = Buffer.alloc(8)
  time.writeDoubleBE(now)
  const string = (text: string): string => {
    const bytes = Buffer.from(text)
    const head = bytes.length < 32 ? Buffer.from([0xa0 | bytes.length]) : Buffer.from([0xd9, 0x20])
    return Buffer.concat([head, bytes]).toString('hex')
  }
  const head =
    string('type') +
    string('publication') +
    string('channel') +
    string('chat.7') +
    string('time') +
    `cb${time.toString('hex')}`
  await broker.publish('rt.pub.chat.7', Buffer.from('{"a":1}'), {})
  await client.next('publication')
  const json = `84${head}${string('data')}c407${Buffer.from('{"a":1}').toString('hex')}`
  assert.equal(client.raw.at(-1)?.toString('hex'), json)
  await broker.publish('rt.pub.chat.7', Buffer.from('ff', 'hex'), { 'Content-Type': 'image/jpeg' })
  await client.next('publication')
  const typed = `85${head}${string('contentType')}${string('image/jpeg')}${string('data')}c401ff`
  assert.equal(client.raw.at(-1)?.toString('hex'), typed)
})

for (const { name, subprotocol, data } of testFormats) {
  test(`${name}: sender is the sub of the publisher's token (PROTOCOL 5.5)`, async (t) => {
    const { ws } = await startTestGateway(t)
    const channels = ['chat.7']
    const receiver = await TestClient.connect(t, ws, mint({ channels }), subprotocol)
    for (const sub of ['u1', 'Zoë "x" <y>', undefined]) {
      const token = mint({ publish: channels, ...(sub === undefined ? {} : { sub }) })
      const publisher = await TestClient.connect(t, ws, token, subprotocol)
      const frame = { type: 'publish', id: 1, channel: 'chat.7', data: data('1') }
      assert.equal((await publisher.ask({ ...frame, sender: 'forged' })).type, 'published')
      assert.equal((await receiver.next('publication'))['sender'], sub)
    }
  })

  test(`${name}: a publication too large is replaced by a gap (PROTOCOL 5.6)`, async (t) => {
    const { ws, broker } = await startTestGateway(t)
    const token = mint({ channels: ['stocks.*'] })
    const client = await TestClient.connect(t, ws, token, subprotocol)
    await broker.publish('rt.pub.stocks.MSFT', Buffer.alloc(65_537, '1'), {})
    const gap = { type: 'gap', channel: 'stocks.*', reason: 'too_large' }
    assert.deepEqual(await client.next('gap'), gap)
    await broker.publish('rt.pub.stocks.MSFT', Buffer.alloc(65_536, '1'), {})
    await client.next('publication')
  })

  test(`${name}: publications come in the order of their arrival (PROTOCOL 5.7)`, async (t) => {
    const { ws, broker } = await startTestGateway(t)
    const token = mint({ channels: ['chat.7', 'chat.8'] })
    const client = await TestClient.connect(t, ws, token, subprotocol)
    const count = 1000
    for (let at = 0; at < count; at += 1) {
      void broker.publish(`rt.pub.chat.${7 + (at % 2)}`, Buffer.from(String(at)), {})
      // Some leave together and some alone.
      if (at % 7 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const numberOf = (frame: ReceivedFrame): number => Number(String(frame.data))
    for (let at = 0; at < count; at += 1) {
      assert.equal(numberOf(await client.next('publication')), at)
    }
  })
}
