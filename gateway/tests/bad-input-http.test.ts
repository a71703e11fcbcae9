/** Requests as literal bytes that are too large, malformed or cut off: the node serves on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bystander } from './bystander.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until } from './harness.js'
import { rawSocket } from './http-client.js'
import { answerTo, clientFrame, handshake, opcodes, RawWebSocket } from './raw-websocket.js'
import { mint } from './tokens.js'

const headerBytesMax = 16_384

/** A request whose line and headers are of this many bytes together, the empty line included. */
function requestOf(bytes: number, head: string): string {
  const filler = bytes - head.length - 'X: \r\n\r\n'.length
  return `${head}X: ${'x'.repeat(filler)}\r\n\r\n`
}

async function statusOrEnd(raw: RawWebSocket): Promise<number | undefined> {
  return raw.answer().then(
    ({ status }) => status,
    () => undefined,
  )
}

test('headers up to 16,384 bytes are read, above refused (PROTOCOL 12.2)', async (t) => {
  const gateway = await startTestGateway(t)
  const bystander = await Bystander.connect(t, gateway)
  const token = mint({ channels: ['chat.7'] })
  const poll = `GET /v1/events?wait=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`
  const upgrade = handshake({ Authorization: `Bearer ${token}` }).slice(0, -2)
  for (const [head, status] of [
    [poll, 200],
    [upgrade, 101],
  ] as const) {
    const answer = await answerTo(t, gateway.port, requestOf(headerBytesMax - 64, head))
    assert.equal(answer.status, status)
    for (const bytes of [headerBytesMax + 64, 20_000, 100_000, 2_000_000]) {
      const raw = new RawWebSocket(t, gateway.port)
      await raw.write(requestOf(bytes, head))
      const refused = await statusOrEnd(raw)
      assert.ok(refused === undefined || refused === 431, String(refused))
    }
  }
  await bystander.receives()
})

test('a request line over the limit is refused (PROTOCOL 12.2)', async (t) => {
  const gateway = await startTestGateway(t)
  const bystander = await Bystander.connect(t, gateway)
  const raw = new RawWebSocket(t, gateway.port)
  await raw.write(`GET /v1/events?channels=${'a,'.repeat(10_000)} HTTP/1.1\r\nHost: x\r\n\r\n`)
  const status = await statusOrEnd(raw)
  assert.ok(status === undefined || status === 431 || status === 414, String(status))
  await bystander.receives()
})

test('headers that never end are ended (PROTOCOL 12.2)', async (t) => {
  const gateway = await startTestGateway(t)
  const bystander = await Bystander.connect(t, gateway)
  const raw = new RawWebSocket(t, gateway.port)
  await raw.write('GET /v1/events HTTP/1.1\r\nHost: x\r\n')
  // Line by line, so that no single segment is over the limit.
  for (let line = 0; line < 10_000 && !raw.isEnded; line += 1) {
    await raw.write(`X-${line}: ${'x'.repeat(1000)}\r\n`)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until('the connection to be ended', () => raw.isEnded)
  await bystander.receives()
})

test('a flood of small headers is refused or read, and ends nothing (PROTOCOL 12.2)', async (t) => {
  const gateway = await startTestGateway(t)
  const bystander = await Bystander.connect(t, gateway)
  const head = handshake({ Authorization: `Bearer ${mint()}` }).slice(0, -2)
  for (const count of [30, 100, 200, 1000, 3000]) {
    const raw = new RawWebSocket(t, gateway.port)
    await raw.write(`${head}${'a: b\r\n'.repeat(count)}\r\n`)
    const status = await statusOrEnd(raw)
    assert.ok([undefined, 101, 400, 431].includes(status), `${count}: ${status}`)
    if (count === 30) assert.equal(status, 101)
  }
  await bystander.receives()
})

const malformed: readonly string[] = [
  '\r\n\r\n\r\n',
  'nonsense\r\n\r\n',
  'GET\r\n\r\n',
  'GET /v1/events\r\n\r\n',
  'GET /v1/events HTTP/9.9\r\nHost: x\r\n\r\n',
  'GET http://x/v1/events HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /v1/events HTTP/1.1\r\n\r\n',
  'GET /v1/events HTTP/1.1\r\nHost x\r\n\r\n',
  'GET /v1/events HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n',
  'GET /v1/events HTTP/1.1\r\nHost: x\r\nA: \u0001\0\r\n\r\n',
  'GET /v1/events?%zz&channels=%ff%fe&token=%00 HTTP/1.1\r\nHost: x\r\n\r\n',
  'GET /v1/../v1/events HTTP/1.1\r\nHost: x\r\n\r\n',
  'POST /v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
  'POST /v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n',
  'POST /v1/publish HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x',
  'POST /v1/publish HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
  'BREW /v1/events HTTP/1.1\r\nHost: x\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '\u0016\u0003\u0001\u0002\0\u0001\0\u0001\u00fc\u0003\u0003',
  'GET /v1/events HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n',
]

test('a request that is malformed, or cut off there, harms nobody (PROTOCOL 12.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const bystander = await Bystander.connect(t, gateway)
  for (const request of malformed) {
    const raw = new RawWebSocket(t, gateway.port)
    await raw.write(Buffer.from(request, 'latin1'))
    // Whatever it is answered, the sending side is closed now: the rest will never come.
    raw.socket.end()
    await until(`the end of ${JSON.stringify(request)}`, () => raw.isEnded)
  }
  await bystander.receives()
  await until('nothing to be left', () => gateway.counters.connections.poll === 0)
})

test('requests dropped at any byte leave nothing behind (PROTOCOL 12.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const bystander = await Bystander.connect(t, gateway)
  const request = handshake({ Authorization: `Bearer ${mint()}`, Accept: 'text/event-stream' })
  for (let length = 1; length < request.length; length += 7) {
    const socket = rawSocket(t, gateway.port)
    await new Promise((resolve) => socket.write(request.slice(0, length), resolve))
    socket.resetAndDestroy()
  }
  await bystander.receives()
  assert.equal(gateway.counters.connections.websocket, 1)
})

/** Every callback of the engine reads the time sooner or later. */
class BreakingClock extends FakeClock {
  isBroken = false

  override now(): number {
    if (this.isBroken) throw new Error('broken clock')
    return super.now()
  }
}

test('a fault of our own ends one request, and is reported (PROTOCOL 12.1)', async (t) => {
  const clock = new BreakingClock()
  const gateway = await startTestGateway(t, { clock })
  const token = mint({ channels: ['chat.7'] })
  const authorization = { Authorization: `Bearer ${token}` }
  const open = await RawWebSocket.connect(t, gateway.port, token)
  const requests = [
    handshake(authorization),
    `GET /v1/events?token=${token} HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET /v1/events?token=${token} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`,
  ]
  clock.isBroken = true
  for (const [at, request] of requests.entries()) {
    const raw = new RawWebSocket(t, gateway.port)
    await raw.write(request)
    await until('the connection to be ended', () => raw.isEnded)
    assert.equal(gateway.internalErrors.length, at + 1)
  }
  await open.write(clientFrame(opcodes.text, '{"type":"ping"}'))
  await until('the report', () => gateway.internalErrors.length === requests.length + 1)
  clock.isBroken = false
  gateway.internalErrors.length = 0
  await open.write(clientFrame(opcodes.text, '{"type":"ping"}'))
  assert.equal(await open.nextText(), '{"type":"pong"}')
  assert.equal((await answerTo(t, gateway.port, handshake(authorization))).status, 101)
})
