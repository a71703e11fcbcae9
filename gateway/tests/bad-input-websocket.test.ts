/** WebSocket messages as bytes that RFC 6455 forbids, cut or splits: they end nobody else. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Bystander } from './bystander.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { clientFrame, handshake, lengthBytes, opcodes, RawWebSocket } from './raw-websocket.js'
import { mint } from './tokens.js'

interface Scene {
  readonly gateway: TestGateway
  readonly bystander: Bystander
  readonly connect: () => Promise<RawWebSocket>
}

async function setUp(t: TestContext): Promise<Scene> {
  const gateway = await startTestGateway(t)
  const bystander = await Bystander.connect(t, gateway)
  const token = mint({ channels: ['chat.7'] })
  return { gateway, bystander, connect: () => RawWebSocket.connect(t, gateway.port, token) }
}

const ping = '{"type":"ping","id":1}'
const pong = '{"type":"pong","id":1}'

function text(payload: string | Uint8Array): Buffer {
  return clientFrame(opcodes.text, payload)
}

const forbidden: readonly (readonly [string, Buffer])[] = [
  ['a reserved bit set', clientFrame(opcodes.text, ping, { reserved: 4 })],
  ['a reserved data opcode', clientFrame(3, ping)],
  ['a reserved control opcode', clientFrame(11, '')],
  ['a continuation of nothing', clientFrame(opcodes.continuation, ping)],
  [
    'a new message within a fragmented one',
    Buffer.concat([clientFrame(opcodes.text, '{', { isFinal: false }), text(ping)]),
  ],
  ['a fragmented control frame', clientFrame(opcodes.ping, 'x', { isFinal: false })],
  ['a control frame of 126 bytes', clientFrame(opcodes.ping, 'x'.repeat(126))],
  ['text that is not UTF-8', text(Buffer.from('7b22ff227d', 'hex'))],
  ['text that ends within a character', text(Buffer.from('22e282', 'hex'))],
  [
    'a message that says 160 KB and a byte',
    Buffer.concat([Buffer.from([0x81]), lengthBytes(163_841)]),
  ],
  ['a message that says 2^63 bytes', Buffer.from('81ff8000000000000000', 'hex')],
  ['fragments of over 160 KB together', fragments(5, 32_769)],
]

function fragments(count: number, bytes: number): Buffer {
  return Buffer.concat(
    Array.from({ length: count }, (_, at) =>
      clientFrame(at === 0 ? opcodes.text : opcodes.continuation, 'x'.repeat(bytes), {
        isFinal: false,
      }),
    ),
  )
}

for (const [what, bytes] of forbidden) {
  test(`${what} ends the connection and no other (PROTOCOL 12.1)`, async (t) => {
    const { gateway, bystander, connect } = await setUp(t)
    const raw = await connect()
    await raw.write(bytes)
    // The mask and more, where the frame was only begun.
    await raw.write(Buffer.alloc(8))
    await until('the connection to be gone', () => gateway.counters.connections.websocket === 1)
    await raw.closed()
    assert.equal(gateway.counters.subscriptions, 1)
    await bystander.receives()
  })
}

test('a frame that is not masked disturbs nobody else (PROTOCOL 12.1)', async (t) => {
  const { bystander, connect } = await setUp(t)
  const raw = await connect()
  await raw.write(clientFrame(opcodes.text, ping, { isMasked: false }))
  await raw.write(clientFrame(opcodes.text, ping, { isMasked: false }))
  raw.socket.end()
  await until('the connection to end', () => raw.isEnded)
  await bystander.receives()
})

test('a message cut off anywhere leaves nothing behind (PROTOCOL 12.1)', async (t) => {
  const { gateway, bystander, connect } = await setUp(t)
  const whole = text(ping)
  for (let length = 1; length < whole.length; length += 3) {
    const raw = await connect()
    await raw.write(whole.subarray(0, length))
    raw.socket.destroy()
    await until('the connection to be gone', () => gateway.counters.connections.websocket === 1)
  }
  assert.equal(gateway.counters.subscriptions, 1)
  await bystander.receives()
})

test('a message in many fragments, with a ping between them, is one (PROTOCOL 4.2)', async (t) => {
  const { bystander, connect } = await setUp(t)
  const raw = await connect()
  const characters = [...ping]
  for (const [at, character] of characters.entries()) {
    const opcode = at === 0 ? opcodes.text : opcodes.continuation
    const isFinal = at === characters.length - 1
    await raw.write(clientFrame(opcode, character, { isFinal }))
    if (at === 5) await raw.write(clientFrame(opcodes.ping, 'between'))
  }
  assert.equal(await raw.nextText(), pong)
  const answer = raw.messages.find(({ opcode }) => opcode === opcodes.pong)
  assert.equal(answer?.payload.toString(), 'between')
  await bystander.receives()
})

test('a message may come byte by byte, and several in one segment (PROTOCOL 4.2)', async (t) => {
  const { connect } = await setUp(t)
  const raw = await connect()
  for (const byte of text(ping)) {
    await raw.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(await raw.nextText(), pong)
  await raw.write(Buffer.concat([text(ping), text(ping), text(ping)]))
  for (let count = 0; count < 3; count += 1) assert.equal(await raw.nextText(), pong)
})

test('a close frame of any content is answered by the end (PROTOCOL 12.1)', async (t) => {
  const { gateway, bystander, connect } = await setUp(t)
  const contents = ['', '03', '03e8', '03e9', '0000', '0001', '03ec', '03ee', '1194', 'ffff']
  const long = `03e8${'78'.repeat(123)}`
  for (const hex of [...contents, long, '03e8ff']) {
    const raw = await connect()
    await raw.write(clientFrame(opcodes.close, Buffer.from(hex, 'hex')))
    await until('the connection to be gone', () => gateway.counters.connections.websocket === 1)
    await until('the end', () => raw.isEnded || raw.messages.length > 1)
  }
  await bystander.receives()
})

test('frames behind a protocol error are not read any more (PROTOCOL 4.2)', async (t) => {
  const { gateway, bystander, connect } = await setUp(t)
  const raw = await connect()
  const binary = clientFrame(opcodes.binary, ping)
  await raw.write(Buffer.concat([binary, text(ping), binary, text(ping)]))
  assert.deepEqual(await raw.closed(), { code: 4502, reason: 'protocol_error' })
  assert.equal(gateway.counters.refusals.protocol_error, 1)
  assert.ok(raw.messages.every(({ payload }) => !payload.toString().includes('pong')))
  await bystander.receives()
})

test('a frame sent before the handshake is answered harms nothing (PROTOCOL 4.7)', async (t) => {
  const gateway = await startTestGateway(t)
  const raw = new RawWebSocket(t, gateway.port)
  const head = handshake({ Authorization: `Bearer ${mint()}` })
  // RFC 6455, section 4.1, has a client wait; what comes too soon may be dropped.
  await raw.write(Buffer.concat([Buffer.from(head), text('{"type":"ping"}')]))
  assert.equal((await raw.answer()).status, 101)
  assert.match(await raw.nextText(), /"welcome"/)
  await raw.write(text(ping))
  const first = await raw.nextText()
  assert.equal(first === '{"type":"pong"}' ? await raw.nextText() : first, pong)
})
