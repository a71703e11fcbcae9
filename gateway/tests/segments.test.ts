/** Requests cut into TCP segments at every byte, PROXY headers too: the answer is the same. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, type TestGateway } from './harness.js'
import { handshake, parseAnswer, RawWebSocket, type Answer } from './raw-websocket.js'
import { mint } from './tokens.js'

/** Two turns of the loop: the server, in this very process, has read what was sent. */
async function pause(): Promise<void> {
  for (let turns = 0; turns < 2; turns += 1) await new Promise((resolve) => setImmediate(resolve))
}

/** Each part as a segment of its own; ends the connection when the answer is there. */
async function answerToParts(
  t: TestContext,
  port: number,
  parts: readonly Buffer[],
): Promise<Answer> {
  const raw = new RawWebSocket(t, port)
  await new Promise((resolve) => raw.socket.once('connect', resolve))
  for (const part of parts) {
    await new Promise((resolve) => raw.socket.write(part, resolve))
    await pause()
  }
  const answer = await raw.answer()
  raw.socket.destroy()
  return answer
}

interface Case {
  readonly name: string
  readonly request: Buffer
  readonly check: (answer: Answer) => void
}

function casesOf(token: string): readonly Case[] {
  const target = `/v1/events?channels=chat.7&wait=0&token=${token}`
  const body = '{"channels":["chat.7"],"wait":0}'
  return [
    {
      name: 'a poll',
      request: Buffer.from(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`),
      check: ({ status, body }) => {
        assert.equal(status, 200)
        assert.match(body, /^\{"cursor":"[\w-]+","publications":\[\]/)
      },
    },
    {
      name: 'an event stream',
      request: Buffer.from(
        `GET ${target} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`,
      ),
      check: ({ status, headers }) => {
        assert.equal(status, 200)
        assert.equal(headers.get('content-type'), 'text/event-stream')
      },
    },
    {
      name: 'a WebSocket handshake',
      request: Buffer.from(handshake({}, target)),
      check: ({ status, headers }) => {
        assert.equal(status, 101)
        assert.equal(headers.get('sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
      },
    },
    {
      name: 'a poll by POST',
      request: Buffer.from(
        `POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
          `Content-Length: ${body.length}\r\n\r\n${body}`,
      ),
      check: ({ status, body }) => {
        assert.equal(status, 200)
        assert.match(body, /^\{"cursor"/)
      },
    },
  ]
}

/** The version 2 header of the PROXY protocol for a TCP connection over IPv4. */
function proxyHeader(source: string, { command = 1 } = {}): Buffer {
  const addresses = Buffer.concat([
    Buffer.from(source.split('.').map(Number)),
    Buffer.from([192, 0, 2, 1]),
    Buffer.from('c001' + '01bb', 'hex'),
  ])
  return proxyHeaderOf(0x20 | command, 0x11, addresses)
}

function proxyHeaderOf(versionAndCommand: number, family: number, rest: Buffer): Buffer {
  const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
  const head = Buffer.from([versionAndCommand, family, rest.length >> 8, rest.length & 255])
  return Buffer.concat([signature, head, rest])
}

/** Cut in two at every place up to `upTo`, and once into single bytes. */
async function splitEverywhere(
  t: TestContext,
  { port }: TestGateway,
  { name, request, check }: Case,
  upTo = request.length,
): Promise<void> {
  const failed: string[] = []
  const tryParts = async (what: string, parts: readonly Buffer[]): Promise<void> => {
    try {
      check(await answerToParts(t, port, parts))
    } catch (error) {
      failed.push(`${name}, ${what}: ${String(error)}`)
    }
  }
  for (let at = 1; at < upTo; at += 1) {
    await tryParts(`cut after byte ${at}`, [request.subarray(0, at), request.subarray(at)])
  }
  const bytes = Array.from(request.subarray(0, upTo), (byte) => Buffer.from([byte]))
  await tryParts('byte by byte', [...bytes, request.subarray(upTo)])
  assert.equal(failed.length, 0, failed.slice(0, 3).join('\n'))
}

const token = mint({ sub: 'u1', subscribe: ['chat.*'] })

for (const { name } of casesOf(token)) {
  test(`${name} may be cut into segments at any byte (PROTOCOL 1.1)`, async (t) => {
    const gateway = await startTestGateway(t)
    const found = casesOf(token).find((one) => one.name === name)
    assert.ok(found)
    await splitEverywhere(t, gateway, found)
  })

  test(`${name} behind a PROXY header may be cut at any byte of both (PROTOCOL 1.1)`, async (t) => {
    const gateway = await startTestGateway(t, { settings: { proxyProtocol: true } })
    const found = casesOf(token).find((one) => one.name === name)
    assert.ok(found)
    const header = proxyHeader('203.0.113.7')
    const requestLineLength = found.request.indexOf('\r\n') + 2
    const request = Buffer.concat([header, found.request])
    await splitEverywhere(t, gateway, { ...found, request }, header.length + requestLineLength)
  })
}

/** A browser without a token: upgraded once for an address, then refused by status. */
const browser = handshake({ Origin: 'https://app.example' })

async function statusFrom(
  t: TestContext,
  { port }: TestGateway,
  ...before: readonly Buffer[]
): Promise<number> {
  const parts = [Buffer.concat([...before, Buffer.from(browser)])]
  return (await answerToParts(t, port, parts)).status
}

const once = { proxyProtocol: true, browserRefusalsPerSecondMax: 1 }

test('limits for one address count that of the PROXY header (PROTOCOL 3.7)', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock(), settings: once })
  const [first, second] = [proxyHeader('203.0.113.1'), proxyHeader('203.0.113.2')]
  assert.equal(await statusFrom(t, gateway, first), 101)
  assert.equal(await statusFrom(t, gateway, first), 401)
  assert.equal(await statusFrom(t, gateway, second), 101)
  assert.equal(await statusFrom(t, gateway, second), 401)
  // Its own, where there is no header.
  assert.equal(await statusFrom(t, gateway), 101)
  assert.equal(await statusFrom(t, gateway), 401)
})

test('the address of the PROXY header is right wherever it is cut (PROTOCOL 3.7)', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock(), settings: once })
  const length = proxyHeader('203.0.113.1').length + 20
  for (let at = 1; at < length; at += 1) {
    const whole = Buffer.concat([proxyHeader(`203.0.113.${at}`), Buffer.from(browser)])
    const parts = [whole.subarray(0, at), whole.subarray(at)]
    assert.equal((await answerToParts(t, gateway.port, parts)).status, 101, `first, ${at}`)
    assert.equal((await answerToParts(t, gateway.port, parts)).status, 401, `second, ${at}`)
  }
})

test('an IPv6 address is read, and a TLV behind an IPv4 one is not (PROTOCOL 3.7)', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock(), settings: once })
  const addresses = Buffer.alloc(36)
  addresses.writeUInt16BE(0x2001, 0)
  const header6 = proxyHeaderOf(0x21, 0x21, addresses)
  assert.equal(await statusFrom(t, gateway, header6), 101)
  assert.equal(await statusFrom(t, gateway, header6), 401)
  // A TLV of the balancer's own: type 0xee, 3 bytes. The older build takes 36 bytes in all.
  const header4 = proxyHeader('203.0.113.1')
  const tlv = Buffer.from('ee0003616263', 'hex')
  const longer = proxyHeaderOf(0x21, 0x11, Buffer.concat([header4.subarray(16), tlv]))
  assert.equal(await statusFrom(t, gateway, longer), 101)
  assert.equal(await statusFrom(t, gateway, header4), 401)
})

test('a header for the balancer itself, as its health check sends it, is no address', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock(), settings: once })
  const local = proxyHeaderOf(0x20, 0, Buffer.alloc(0))
  assert.equal(await statusFrom(t, gateway, local), 101)
  // The same address as without any header.
  assert.equal(await statusFrom(t, gateway), 401)
})

test('later requests of a connection keep its address (PROTOCOL 3.7)', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock(), settings: once })
  const header = proxyHeader('203.0.113.9')
  const raw = new RawWebSocket(t, gateway.port)
  await raw.write(Buffer.concat([header, Buffer.from('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n')]))
  assert.equal((await raw.answer()).status, 404)
  raw.forgetAnswer()
  await raw.write(browser)
  assert.equal((await raw.answer()).status, 101)
  assert.equal(await statusFrom(t, gateway, header), 401)
})

test('without the setting a PROXY header chooses nobody’s address (PROTOCOL 3.7)', async (t) => {
  const settings = { browserRefusalsPerSecondMax: 1 }
  const gateway = await startTestGateway(t, { clock: new FakeClock(), settings })
  assert.equal(await statusFrom(t, gateway), 101)
  const status = await statusFrom(t, gateway, proxyHeader('203.0.113.1'))
  assert.notEqual(status, 101)
})

test('a PROXY header that is malformed ends its connection only (PROTOCOL 12.1)', async (t) => {
  const gateway = await startTestGateway(t, { settings: { proxyProtocol: true } })
  const good = proxyHeader('203.0.113.1')
  const version1 = 'PROXY TCP4 203.0.113.1 192.0.2.1 49153 443\r\n'
  const bad = [
    Buffer.from(version1),
    Buffer.concat([good.subarray(0, 12), Buffer.from([0x31]), good.subarray(13)]),
    Buffer.concat([good.subarray(0, 14), Buffer.from('ffff', 'hex'), good.subarray(16)]),
    Buffer.concat([good.subarray(0, 13), Buffer.from([0xff]), good.subarray(14)]),
    Buffer.concat([good.subarray(0, 14), Buffer.from('0001', 'hex'), good.subarray(16)]),
    Buffer.concat([good, good]),
  ]
  for (const header of bad) {
    const raw = new RawWebSocket(t, gateway.port)
    await raw.write(Buffer.concat([header, Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')]))
    raw.socket.end()
    await new Promise((resolve) => raw.socket.once('close', resolve))
  }
  assert.equal(parseAnswer('HTTP/1.1 404 x\r\n\r\n')?.status, 404)
  const request = Buffer.concat([good, Buffer.from('GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n')])
  assert.equal((await answerToParts(t, gateway.port, [request])).status, 404)
})
