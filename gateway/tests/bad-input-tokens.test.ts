/** Bad tokens at the WebSocket handshake, byte for byte: refused by status, and nobody notices. */
import assert from 'node:assert/strict'
import { writeFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Bystander } from './bystander.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, type TestGateway } from './harness.js'
import { answerTo, handshake, problemOf } from './raw-websocket.js'
import { makeRsaKey, pemOf, signToken } from './test-keys.js'
import { encodeSegment, mint, signHmac, testSecret, type TestClaims } from './tokens.js'
import { TestClient } from './websocket-client.js'

const now = 1_767_225_600
const page = 'https://app.example'

/** One that has `aud` and is valid for ten minutes, but for what `claims` change. */
function claimsOf(claims: TestClaims = {}): TestClaims {
  return { aud: 'tidegate', exp: now + 600, ...claims }
}

function signed(header: object, payload: string, secret: string | Buffer = testSecret): string {
  const input = `${encodeSegment(JSON.stringify(header))}.${encodeSegment(payload)}`
  return `${input}.${signHmac(input, secret)}`
}

const hs256 = { alg: 'HS256', typ: 'JWT' }
const rsaKey = makeRsaKey()
const otherRsaKey = makeRsaKey()
const good = mint(claimsOf())
const [head = '', payload = '', signature = ''] = good.split('.')

function rsToken(key = rsaKey, header: object = { alg: 'RS256' }): string {
  return signToken(claimsOf(), { key, algorithm: 'RS256', header })
}

const invalid: readonly (readonly [string, string])[] = [
  ['alg none without a signature', `${encodeSegment('{"alg":"none"}')}.${payload}.`],
  ['alg none with one', `${encodeSegment('{"alg":"none"}')}.${payload}.${signature}`],
  ['alg NONE', signed({ alg: 'NONE' }, JSON.stringify(claimsOf()))],
  ['no alg', signed({ typ: 'JWT' }, JSON.stringify(claimsOf()))],
  ['HS256 with the RSA public key', signed(hs256, JSON.stringify(claimsOf()), pemOf(rsaKey))],
  ['RS256 in the header, signed with HS256', signed({ alg: 'RS256' }, JSON.stringify(claimsOf()))],
  ['HS256 in the header, signed with RS256', rsToken(rsaKey, hs256)],
  ['an RSA key that is not trusted', rsToken(otherRsaKey)],
  ['a kid that is not known', rsToken(otherRsaKey, { alg: 'RS256', kid: 'new' })],
  ['its key in the header', rsToken(otherRsaKey, { alg: 'RS256', jwk: {} })],
  ['another secret', mint(claimsOf(), 'another-secret-of-32-bytes-or-more')],
  ['a signature cut short', good.slice(0, -1)],
  ['a signature of another token', `${head}.${payload}.${mint({}).split('.')[2]}`],
  ['an empty signature', `${head}.${payload}.`],
  ['two segments', `${head}.${payload}`],
  ['four segments', `${good}.${signature}`],
  ['five segments, as an encrypted one', `${good}.${signature}.${signature}`],
  ['characters that are not base64url', `${head}.${payload.replace(/.$/, '!')}.${signature}`],
  ['base64 in place of base64url', `${head}.${payload}.${signature.replace(/[-_]/g, '+')}+/`],
  ['a header that is not JSON', `${encodeSegment('nonsense')}.${payload}.${signature}`],
  ['a payload that is not JSON', signed(hs256, 'nonsense')],
  ['a payload that is a list', signed(hs256, '[]')],
  ['a payload that is null', signed(hs256, 'null')],
  ['a critical extension', signed({ ...hs256, crit: ['x'], x: 1 }, JSON.stringify(claimsOf()))],
  ['no exp', mint({ aud: 'tidegate', exp: undefined })],
  ['an exp that is text', mint(claimsOf({ exp: String(now + 600) }))],
  ['an exp of 1e999', signed(hs256, '{"aud":"tidegate","exp":1e999}')],
  ['a lifetime that is too long', mint(claimsOf({ exp: now + 3600 + 6 }))],
  ['an nbf in the future', mint(claimsOf({ nbf: now + 6 }))],
  ['an iat in the future', mint(claimsOf({ iat: now + 6 }))],
  ['another audience', mint(claimsOf({ aud: 'other' }))],
  ['no audience', mint({ exp: now + 600 })],
  ['a sub that is a number', mint(claimsOf({ sub: 7 }))],
  ['a sub with a line break', mint(claimsOf({ sub: 'u1\r\nX: y' }))],
  ['a sub of 257 characters', mint(claimsOf({ sub: 'u'.repeat(257) }))],
  ['channels that are no list', mint(claimsOf({ channels: 'chat.7' }))],
  ['a channel that is none', mint(claimsOf({ channels: ['chat 7'] }))],
  ['a permission that is none', mint(claimsOf({ subscribe: ['a.>.b'] }))],
  ['permissions from __proto__', signed(hs256, `{"__proto__":{"exp":${now + 600}}}`)],
  ['deep nesting', signed(hs256, `{"exp":${now + 600},"x":${'['.repeat(5000)}`)],
]

async function setUp(t: TestContext): Promise<TestGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'tidegate-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const pem = join(folder, 'public.pem')
  writeFileSync(pem, pemOf(rsaKey))
  return startTestGateway(t, {
    clock: new FakeClock(now * 1000),
    settings: { browserRefusalsPerSecondMax: 1000 },
    authentication: { jwtPublicKeyFiles: [pem], jwtAudience: 'tidegate' },
  })
}

test('each bad token is 401 token_invalid at the handshake (PROTOCOL 3.2, 3.3, 3.4)', async (t) => {
  const gateway = await setUp(t)
  const { port } = gateway
  // Those that the bad ones are made from are good.
  for (const token of [good, rsToken(), mint(claimsOf({ exp: now + 3600, nbf: now + 5 }))]) {
    const answer = await answerTo(t, port, handshake({ Authorization: `Bearer ${token}` }))
    assert.equal(answer.status, 101)
  }
  for (const [what, token] of invalid) {
    const answer = await answerTo(t, port, handshake({ Authorization: `Bearer ${token}` }))
    assert.equal(answer.status, 401, what)
    assert.equal(problemOf(answer).code, 'token_invalid', what)
    assert.ok(!answer.body.includes(token), what)
  }
})

test('a bad token disturbs nobody, wherever it stands (PROTOCOL 3.1, 3.5)', async (t) => {
  const gateway = await setUp(t)
  const bystander = await Bystander.connect(t, gateway, claimsOf())
  for (const [what, token] of invalid) {
    const ways = [
      handshake({ Authorization: `Bearer ${token}` }),
      handshake({ 'Sec-WebSocket-Protocol': `tidegate.v1.json, bearer.${token}` }),
      handshake({}, `/v1/events?token=${encodeURIComponent(token)}`),
    ]
    for (const request of ways) {
      assert.equal((await answerTo(t, gateway.port, request)).status, 401, what)
    }
  }
  await bystander.receives()
})

test('past its exp and the tolerance a token is token_expired (PROTOCOL 3.3)', async (t) => {
  const { port } = await setUp(t)
  const statusOf = async (exp: number): Promise<string> => {
    const token = mint(claimsOf({ exp }))
    const answer = await answerTo(t, port, handshake({ Authorization: `Bearer ${token}` }))
    return answer.status === 101 ? 'ok' : problemOf(answer).code
  }
  assert.equal(await statusOf(now - 4), 'ok')
  assert.equal(await statusOf(now - 5), 'token_expired')
  assert.equal(await statusOf(0), 'token_expired')
})

test('a token over 8,192 bytes is refused before it is parsed (PROTOCOL 3.3, 12.1)', async (t) => {
  const gateway = await setUp(t)
  const bystander = await Bystander.connect(t, gateway, claimsOf())
  const refused = { Authorization: `Bearer ${good}${'x'.repeat(8193 - good.length)}` }
  const answer = await answerTo(t, gateway.port, handshake(refused))
  assert.equal(problemOf(answer).code, 'token_invalid')
  assert.match(problemOf(answer).detail, /8192/)
  const nearly = mint(claimsOf({ filler: 'x'.repeat(5900) }))
  assert.ok(nearly.length > 7900 && nearly.length <= 8192)
  const accepted = { Authorization: `Bearer ${nearly}` }
  assert.equal((await answerTo(t, gateway.port, handshake(accepted))).status, 101)
  await bystander.receives()
})

test('a browser with any bad token is closed with 4500 (PROTOCOL 3.7, 9.4)', async (t) => {
  const gateway = await setUp(t)
  const bystander = await Bystander.connect(t, gateway, claimsOf())
  for (const [what, token] of invalid) {
    const headers = { Authorization: `Bearer ${token}`, Origin: page }
    const client = new TestClient(t, gateway.ws, ['tidegate.v1.json'], { headers })
    assert.deepEqual(await client.closed, { code: 4500, reason: 'token_invalid' }, what)
  }
  await bystander.receives()
})
