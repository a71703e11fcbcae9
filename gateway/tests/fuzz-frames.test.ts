/** Noise and wounded frames: the node lives, others receive, and the sender is told or closed. */
import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test, type TestContext } from 'node:test'
import fc from 'fast-check'
import { Packr } from 'msgpackr'
import { closeCode } from '../../shared/codes.js'
import { encodeCursor } from '../../shared/cursor.js'
import { cursorOf } from '../../shared/cursor-positions.js'
import { Bystander } from './bystander.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { wounded } from './mutations.js'
import { clientFrame, handshake, opcodes, RawWebSocket } from './raw-websocket.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const packr = new Packr({ useRecords: false })
const token = mint({ sub: 'u1', subscribe: ['chat.fuzz.>'], publish: ['chat.fuzz.>'] })
const unlimited = { framesPerSecondMax: 1e9, framesBurstMax: 1e9 }
const codesOfClose = new Set<number>(Object.values(closeCode))
const messagesPerRun = 20
const runs = 120

const positions = [{ name: 'chat.fuzz.1', position: { epoch: '5f0c3a9be214', offset: 12 } }]

const frames: readonly object[] = [
  { type: 'subscribe', id: 1, channel: 'chat.fuzz.1' },
  { type: 'subscribe', id: 7, channel: 'chat.fuzz.1', position: positions[0]?.position, last: 3 },
  { type: 'subscribe', id: 8, channel: 'chat.fuzz.1', position: encodeCursor(cursorOf(positions)) },
  { type: 'subscribe', id: 2, channel: 'stocks.*' },
  { type: 'unsubscribe', id: 3, channel: 'chat.fuzz.1' },
  { type: 'refresh', id: 5, token },
  { type: 'ping', id: 6 },
  { type: 'ping' },
]

const jsonFrames = [
  ...frames,
  { type: 'publish', id: 4, channel: 'chat.fuzz.1', data: { a: [1, 'é😀', null, { b: 1e300 }] } },
  { type: 'publish', id: 4, channel: 'chat.fuzz.1', base64: '/9j/4A==', contentType: 'image/jpeg' },
  { type: 'publish', id: 4, channel: 'chat.fuzz.1', data: '\\"', idempotencyKey: 'k-1' },
]

const binaryFrames = [
  ...frames,
  { type: 'publish', id: 4, channel: 'chat.fuzz.1', data: Buffer.from('{"a":[1]}') },
  { type: 'publish', id: 4, channel: 'chat.fuzz.1', data: Buffer.alloc(300), contentType: 'a/b' },
]

const validOf: Readonly<Record<string, readonly Buffer[]>> = {
  JSON: jsonFrames.map((frame) => Buffer.from(JSON.stringify(frame))),
  MessagePack: binaryFrames.map((frame) => Buffer.from(packr.pack(frame))),
}

/** A connection that is replaced when the fuzz has had it closed. */
class Victim {
  readonly #t: TestContext
  readonly #gateway: TestGateway
  readonly #subprotocol: string
  readonly #isBinary: boolean
  #client: TestClient | undefined = undefined
  #asked = 2_000_000_000

  constructor(t: TestContext, gateway: TestGateway, subprotocol: string, isBinary: boolean) {
    this.#t = t
    this.#gateway = gateway
    this.#subprotocol = subprotocol
    this.#isBinary = isBinary
  }

  /** The messages, then a ping: answered, or the connection closed for a reason. */
  async suffer(messages: readonly Buffer[], isSwapped: boolean): Promise<void> {
    const { ws } = this.#gateway
    this.#client ??= await TestClient.connect(this.#t, ws, token, this.#subprotocol)
    const client = this.#client
    const before = client.frames.length
    const binary = isSwapped ? !this.#isBinary : this.#isBinary
    for (const message of messages) client.socket.send(message, { binary })
    this.#asked += 1
    const id = this.#asked
    client.send({ type: 'ping', id })
    const isPong = (): boolean =>
      client.frames.some((frame) => frame.type === 'pong' && frame.id === id)
    await until('a pong or the close', () => isPong() || client.socket.readyState > 1)
    if (!isPong()) {
      const { code } = await client.closed
      const isText = !binary && messages.every((message) => isUtf8(message))
      // RFC 6455, section 8.1, has the engine end a text message that is not UTF-8.
      if (binary || isText || code !== 1006) assert.ok(codesOfClose.has(code), String(code))
      this.#client = undefined
    }
    for (const { type, code, message } of client.frames.slice(before)) {
      if (type !== 'error') continue
      assert.notEqual(code, 'internal_error')
      assert.ok(String(message).length < 500)
    }
  }
}

for (const { name, subprotocol, isBinary } of testFormats) {
  test(`${name}: noise and wounded frames harm nobody (PROTOCOL 4.5, 9.4, 12.1)`, async (t) => {
    const gateway = await startTestGateway(t, { settings: unlimited })
    const bystander = await Bystander.connect(t, gateway)
    const victim = new Victim(t, gateway, subprotocol, isBinary)
    const message = wounded(validOf[name] ?? [])
    // Of text most must be UTF-8, or the engine has the last word every time.
    const readable = isBinary ? message : message.map((bytes) => Buffer.from(bytes.toString()))
    const messages = fc.array(readable, { minLength: 1, maxLength: messagesPerRun })
    const raw = fc.array(message, { minLength: 1, maxLength: 3 })
    const anyMessages = fc.oneof({ weight: 9, arbitrary: messages }, { weight: 1, arbitrary: raw })
    const isSwapped = fc.integer({ min: 0, max: 19 }).map((drawn) => drawn === 0)
    await fc.assert(
      fc.asyncProperty(anyMessages, isSwapped, async (sent, swapped) => {
        await victim.suffer(sent, swapped)
        await bystander.receives()
      }),
      { numRuns: runs * 2, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false },
    )
    assert.ok(gateway.counters.framesReceived > runs, 'hardly anything was sent')
  })
}

test('wounded bytes on the wire harm nobody, from the handshake on (PROTOCOL 12.1)', async (t) => {
  const gateway = await startTestGateway(t, { settings: unlimited })
  const bystander = await Bystander.connect(t, gateway)
  const good = clientFrame(opcodes.text, JSON.stringify(frames[0]))
  const pieces = [
    good,
    clientFrame(opcodes.text, '{"type":', { isFinal: false }),
    clientFrame(opcodes.continuation, '"ping"}'),
    clientFrame(opcodes.ping, 'ping'),
    clientFrame(opcodes.binary, packr.pack(frames[0])),
    clientFrame(opcodes.text, 'x'.repeat(70_000)),
    clientFrame(opcodes.close, Buffer.from('03e8', 'hex')),
  ]
  const query = `channels=chat.fuzz.1&wait=0&token=${token}`
  const requests = [
    handshake({ Authorization: `Bearer ${token}`, Origin: 'https://app.example' }),
    `GET /v1/events?${query} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`,
    `GET /v1/events?${query} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `POST /v1/publish?token=${token} HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n` +
      '{"channel":"chat.fuzz.1","data":1} ',
  ].map((request) => Buffer.from(request))
  const onOpen = fc.array(wounded(pieces), { minLength: 1, maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(wounded(requests), onOpen, async (request, messages) => {
      const fresh = new RawWebSocket(t, gateway.port)
      await fresh.write(request)
      fresh.socket.end()
      const open = await RawWebSocket.connect(t, gateway.port, token)
      for (const message of messages) await open.write(message)
      open.socket.end()
      await until('both to end', () => fresh.isEnded && open.isEnded)
      await bystander.receives()
    }),
    { numRuns: runs * 2, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false },
  )
  await until('all to be gone', () => gateway.counters.connections.websocket === 1)
  assert.deepEqual(gateway.counters.connections, { websocket: 1, sse: 0, poll: 0 })
  assert.equal(gateway.counters.subscriptions, 1)
})
