/** The WebSocket handshake: who is let in, in which subprotocol, and how the others are refused. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { FakeClock } from './fake-clock.js'
import { startTestGateway } from './harness.js'
import { answerTo, handshake, problemOf, RawWebSocket, type Headers } from './raw-websocket.js'
import { makeRsaKey, jwkOf, signToken } from './test-keys.js'
import { encodeSegment, mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const page = 'https://app.example'

async function statusOf(
  t: TestContext,
  port: number,
  headers: Headers,
  target?: string,
): Promise<number> {
  return (await answerTo(t, port, handshake(headers, target))).status
}

test('Upgrade: websocket makes a WebSocket, whatever Accept says (PROTOCOL 1.1)', async (t) => {
  const { port } = await startTestGateway(t)
  const bearer = { Authorization: `Bearer ${mint()}` }
  const answer = await answerTo(
    t,
    port,
    handshake({ ...bearer, Accept: 'text/event-stream', Upgrade: 'WebSocket' }),
  )
  assert.equal(answer.status, 101)
  // RFC 6455, section 1.3: the key of its example and the answer to it.
  assert.equal(answer.headers.get('sec-websocket-accept'), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

test('a Sec-WebSocket-Key without Upgrade is 426 upgrade_required (PROTOCOL 1.2)', async (t) => {
  const { port } = await startTestGateway(t)
  for (const Upgrade of [undefined, 'h2c', 'websockets']) {
    const headers = { Authorization: `Bearer ${mint()}`, Upgrade }
    const answer = await answerTo(t, port, handshake(headers))
    assert.equal(answer.status, 426)
    assert.equal(answer.headers.get('upgrade'), 'websocket')
    assert.equal(problemOf(answer).code, 'upgrade_required')
  }
})

test('another version of WebSocket is refused, and told which one is spoken', async (t) => {
  const { port } = await startTestGateway(t)
  const headers = { Authorization: `Bearer ${mint()}`, 'Sec-WebSocket-Version': '8' }
  const answer = await answerTo(t, port, handshake(headers))
  assert.equal(answer.status, 426)
  assert.equal(answer.headers.get('sec-websocket-version'), '13')
})

test('parameters of the query that nobody knows are ignored (PROTOCOL 1.3)', async (t) => {
  const { port } = await startTestGateway(t)
  const target = `/v1/events?token=${mint()}&channels=a,b&wait=x&__proto__=1&%ff=%`
  assert.equal(await statusOf(t, port, {}, target), 101)
})

test('a token may come by header, subprotocol or query (PROTOCOL 3.1)', async (t) => {
  const { port } = await startTestGateway(t)
  const token = mint()
  const byQuery = `/v1/events?token=${token}`
  assert.equal(await statusOf(t, port, { Authorization: `Bearer ${token}` }), 101)
  assert.equal(await statusOf(t, port, { Authorization: `bearer ${token}` }), 101)
  assert.equal(await statusOf(t, port, { 'Sec-WebSocket-Protocol': `bearer.${token}` }), 101)
  assert.equal(await statusOf(t, port, {}, byQuery), 101)
  assert.equal(await statusOf(t, port, { Authorization: `Basic ${token}` }), 401)
})

test('the same token twice is one, two different ones are 400 (PROTOCOL 3.1)', async (t) => {
  const { port } = await startTestGateway(t)
  const [token, other] = [mint({ sub: 'u1' }), mint({ sub: 'u2' })]
  const same = { Authorization: `Bearer ${token}`, 'Sec-WebSocket-Protocol': `bearer.${token}` }
  assert.equal(await statusOf(t, port, same, `/v1/events?token=${token}`), 101)
  const pairs: [Headers, string][] = [
    [{ Authorization: `Bearer ${token}` }, `/v1/events?token=${other}`],
    [{ 'Sec-WebSocket-Protocol': `bearer.${token}` }, `/v1/events?token=${other}`],
    [{ ...same, Authorization: `Bearer ${other}` }, '/v1/events'],
  ]
  for (const [headers, target] of pairs) {
    const answer = await answerTo(t, port, handshake(headers, target))
    assert.equal(answer.status, 400)
    assert.equal(problemOf(answer).code, 'bad_request')
  }
})

test('no token and a bad token are 401, each with its challenge (PROTOCOL 3.5)', async (t) => {
  const { port } = await startTestGateway(t)
  const now = Math.floor(Date.now() / 1000)
  const cases = [
    [{}, 'token_missing', 'Bearer'],
    [{ Authorization: 'Bearer x.y.z' }, 'token_invalid', 'Bearer error="invalid_token"'],
    [
      { Authorization: `Bearer ${mint({ exp: now - 60 })}` },
      'token_expired',
      'Bearer error="invalid_token"',
    ],
  ] as const
  for (const [headers, code, challenge] of cases) {
    const answer = await answerTo(t, port, handshake(headers))
    assert.equal(answer.status, 401)
    assert.equal(problemOf(answer).code, code)
    assert.equal(answer.headers.get('www-authenticate'), challenge)
  }
})

async function serveJwks(t: TestContext, keys: readonly object[]): Promise<string> {
  const server = createServer((_, response) => response.end(JSON.stringify({ keys })))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close().closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`
}

test('a key not known yet is 503, to try again with the token (PROTOCOL 3.6)', async (t) => {
  const key = makeRsaKey()
  const jwksUrl = await serveJwks(t, [jwkOf(key, { kid: 'old' })])
  const { port, ws } = await startTestGateway(t, { authentication: { jwtSecrets: [], jwksUrl } })
  const claims = { exp: Math.floor(Date.now() / 1000) + 60 }
  const tokenOf = (kid: string): string =>
    signToken(claims, { key, algorithm: 'RS256', header: { alg: 'RS256', kid } })
  assert.equal(await statusOf(t, port, { Authorization: `Bearer ${tokenOf('old')}` }), 101)

  const headers = { Authorization: `Bearer ${tokenOf('new')}` }
  const answer = await answerTo(t, port, handshake(headers))
  assert.equal(answer.status, 503)
  assert.equal(problemOf(answer).code, 'key_unknown')
  assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
  const browser = new TestClient(t, ws, [], { headers: { ...headers, Origin: page } })
  assert.deepEqual(await browser.closed, { code: 4004, reason: 'key_unknown' })
})

test('without a source of keys an unknown kid is token_invalid (PROTOCOL 3.6)', async (t) => {
  const key = makeRsaKey()
  const { port } = await startTestGateway(t)
  const header = { alg: 'RS256', kid: 'new' }
  const token = signToken({ exp: Date.now() / 1000 + 60 }, { key, algorithm: 'RS256', header })
  const answer = await answerTo(t, port, handshake({ Authorization: `Bearer ${token}` }))
  assert.equal(answer.status, 401)
  assert.equal(problemOf(answer).code, 'token_invalid')
})

test('a browser hears of a bad token by a close code (PROTOCOL 3.7, 9.4)', async (t) => {
  const { ws, counters } = await startTestGateway(t)
  const expired = mint({ exp: Math.floor(Date.now() / 1000) - 60 })
  const cases = [
    [['tidegate.v1.json'], 4503, 'token_missing'],
    [['tidegate.v1.json', 'bearer.nonsense'], 4500, 'token_invalid'],
    [['tidegate.v1.json', `bearer.${expired}`], 4003, 'token_expired'],
  ] as const
  for (const [protocols, code, reason] of cases) {
    const client = new TestClient(t, ws, [...protocols], { origin: page })
    assert.deepEqual(await client.closed, { code, reason })
    assert.equal(client.frames.length, 0)
  }
  assert.equal(counters.handshakesRefused.websocket, 3)
  assert.equal(counters.connections.websocket, 0)
})

test('beyond ten bad tokens a second an address is refused by status (PROTOCOL 3.7)', async (t) => {
  const clock = new FakeClock()
  const { port } = await startTestGateway(t, { clock })
  const headers = { Origin: page }
  for (let count = 0; count < 10; count += 1) assert.equal(await statusOf(t, port, headers), 101)
  assert.notEqual(await statusOf(t, port, headers), 101)
  // A good token is not counted, and is let in meanwhile.
  assert.equal(await statusOf(t, port, { ...headers, Authorization: `Bearer ${mint()}` }), 101)
  clock.advance(1000)
  assert.equal(await statusOf(t, port, headers), 101)
})

test('beyond the limit, the status is that of the bad token (PROTOCOL 3.7)', async (t) => {
  const { port } = await startTestGateway(t, {
    clock: new FakeClock(),
    settings: { browserRefusalsPerSecondMax: 1 },
  })
  const headers = { Origin: page }
  assert.equal(await statusOf(t, port, headers), 101)
  const answer = await answerTo(t, port, handshake(headers))
  assert.equal(answer.status, 401)
  assert.equal(problemOf(answer).code, 'token_missing')
  assert.equal(answer.headers.get('access-control-allow-origin'), page)
})

test('an origin that is not listed is 403, whatever its token (PROTOCOL 3.8)', async (t) => {
  const { port } = await startTestGateway(t)
  for (const Origin of ['https://evil.example', 'https://app.example:8443', 'null']) {
    for (const Authorization of [`Bearer ${mint()}`, 'Bearer nonsense', undefined]) {
      const answer = await answerTo(t, port, handshake({ Origin, Authorization }))
      assert.equal(answer.status, 403)
      assert.equal(problemOf(answer).code, 'origin_refused')
      assert.equal(answer.headers.get('access-control-allow-origin'), undefined)
    }
  }
  const Authorization = `Bearer ${mint()}`
  assert.equal(await statusOf(t, port, { Origin: page, Authorization }), 101)
  assert.equal(await statusOf(t, port, { Authorization }), 101)
})

test('nothing that is answered to a token contains a part of it (PROTOCOL 3.11)', async (t) => {
  const { port } = await startTestGateway(t)
  const payload = encodeSegment('{"sub":"hush","exp":1}')
  const head = encodeSegment('{"alg":"HS256"}')
  const forged = `${head}.${payload}.${encodeSegment('signature')}`
  const headers: Headers[] = [
    { Authorization: `Bearer ${forged}` },
    { 'Sec-WebSocket-Protocol': `tidegate.v1.json, bearer.${forged}` },
    { 'Sec-WebSocket-Protocol': `bearer.${forged}`, Origin: page },
    { Authorization: `Bearer ${forged}`, 'Sec-WebSocket-Protocol': 'bearer.other' },
  ]
  for (const header of headers) {
    const { status, headers: answered, body } = await answerTo(t, port, handshake(header))
    assert.ok(status === 401 || status === 400 || status === 101)
    const said = [...answered].flat().join('\n') + body
    for (const part of [payload, 'hush', encodeSegment('signature')]) {
      assert.ok(!said.includes(part), said)
    }
  }
})

test('the first subprotocol of ours that is offered is chosen (PROTOCOL 4.1)', async (t) => {
  const { port } = await startTestGateway(t)
  const bearer = `bearer.${mint()}`
  const [json, msgpack] = ['tidegate.v1.json', 'tidegate.v1.msgpack']
  const cases: [string, string][] = [
    [`${json}, ${bearer}`, json],
    [`${bearer},${msgpack}`, msgpack],
    [`${msgpack}, ${json}, ${bearer}`, msgpack],
    [`chat, ${bearer} , ${json}, ${msgpack}`, json],
  ]
  for (const [offered, chosen] of cases) {
    const headers = { 'Sec-WebSocket-Protocol': offered }
    const answer = await answerTo(t, port, handshake(headers))
    assert.equal(answer.status, 101)
    assert.equal(answer.headers.get('sec-websocket-protocol'), chosen)
  }
})

test('without a subprotocol of ours it is JSON and none is named (PROTOCOL 4.1)', async (t) => {
  const { port } = await startTestGateway(t)
  const token = mint()
  for (const offered of [undefined, `bearer.${token}`, `tidegate.v2.json, bearer.${token}`]) {
    const headers = { Authorization: `Bearer ${token}`, 'Sec-WebSocket-Protocol': offered }
    const raw = new RawWebSocket(t, port)
    await raw.write(handshake(headers))
    const answer = await raw.answer()
    assert.equal(answer.status, 101)
    assert.equal(answer.headers.get('sec-websocket-protocol'), undefined)
    assert.match(await raw.nextText(), /^\{"type":"welcome"/)
  }
})

test('permessage-deflate is not agreed on, so every frame is what it says', async (t) => {
  const { port } = await startTestGateway(t)
  const headers = {
    Authorization: `Bearer ${mint()}`,
    'Sec-WebSocket-Extensions': 'permessage-deflate; client_max_window_bits',
  }
  const answer = await answerTo(t, port, handshake(headers))
  assert.equal(answer.status, 101)
  assert.equal(answer.headers.get('sec-websocket-extensions'), undefined)
})

test('a full node refuses before it looks at a token', async (t) => {
  const { port, ws } = await startTestGateway(t, { settings: { connectionsMax: 1 } })
  await TestClient.connect(t, ws, mint())
  const answer = await answerTo(t, port, handshake({ Authorization: 'Bearer nonsense' }))
  assert.equal(answer.status, 503)
  assert.equal(problemOf(answer).code, 'overloaded')
  assert.match(answer.headers.get('retry-after') ?? '', /^([1-9]|[1-5]\d|60)$/)
})
