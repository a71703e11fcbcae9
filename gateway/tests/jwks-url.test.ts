/** Keys from an address: rotation, an issuer that is away, and no flood towards it. */
import assert from 'node:assert/strict'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { createAuthentication, type Authentication } from '../authentication.js'
import { jwksCooldownMs, jwksRefreshMs, jwksTimeoutMs } from '../jwks-url.js'
import { FakeClock } from './fake-clock.js'
import { KeyEvents, until } from './key-events.js'
import { jwkOf, makeEcKey, makeEdKey, makeRsaKey, signToken, type TestKey } from './test-keys.js'
import { mint, testSecret } from './tokens.js'

const firstKey = makeEdKey()
const secondKey = makeEcKey('P-256')
const firstSet = JSON.stringify({ keys: [jwkOf(firstKey, { kid: 'first' })] })
const bothSet = JSON.stringify({
  keys: [jwkOf(firstKey, { kid: 'first' }), jwkOf(secondKey, { kid: 'second' })],
})

type Answer = (response: ServerResponse) => void

function ok(text: string): Answer {
  return (response) => response.end(text)
}

function status(code: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return (response) => response.writeHead(code, headers).end()
}

/** The server of an issuer, and a gateway that gets its keys there. */
class Fixture {
  readonly clock = new FakeClock()
  readonly events = new KeyEvents()
  answer: Answer = ok(firstSet)
  requests = 0
  readonly #server: Server
  #port = 0
  #authentication: Authentication | undefined

  constructor() {
    this.#server = createServer((_, response) => {
      this.requests += 1
      this.answer(response)
    })
  }

  static async create(t: TestContext): Promise<Fixture> {
    const fixture = new Fixture()
    t.after(() => {
      fixture.#authentication?.close()
      fixture.#server.closeAllConnections()
      fixture.#server.close()
    })
    await new Promise<void>((resolve) => fixture.#server.listen(0, '127.0.0.1', resolve))
    fixture.#port = (fixture.#server.address() as AddressInfo).port
    return fixture
  }

  /** Resolves after the first fetch, whichever way that ended. */
  async open(secrets: readonly string[] = []): Promise<void> {
    this.#authentication = await createAuthentication(
      {
        jwksUrl: `http://127.0.0.1:${String(this.#port)}/keys?tenant=7`,
        jwtSecrets: secrets,
        clockToleranceSeconds: 5,
        tokenLifetimeSecondsMax: 3600,
      },
      this.clock,
      this.events.record,
    )
    await this.#authentication.firstFetch
  }

  close(): void {
    this.#authentication?.close()
  }

  judge(token: string): string {
    const verdict = this.#authentication?.authenticator.authenticate(token)
    assert.ok(verdict)
    return verdict.ok ? 'accepted' : verdict.code
  }

  sign(key: TestKey, kid: unknown): string {
    const [algorithm] = key.algorithms
    assert.ok(algorithm)
    return signToken({ exp: this.exp }, { key, algorithm, header: { alg: algorithm, kid } })
  }

  get exp(): number {
    return Math.floor(this.clock.now() / 1000) + 60
  }

  /** The next fetch is planned when this one is over; until then only its timeout is. */
  idle(): Promise<void> {
    return until(() => Number(this.clock.nextInMs) > jwksTimeoutMs, 'the end of the fetch')
  }

  loads(count: number): Promise<void> {
    return until(() => this.events.ofType('keys_loaded') === count, `load ${String(count)}`)
  }

  failures(count: number): Promise<void> {
    return until(() => this.events.ofType('keys_failed') === count, `failure ${String(count)}`)
  }
}

test('keys from an address are there when the start is over (PROTOCOL 3.2)', async (t) => {
  const fixture = await Fixture.create(t)
  await fixture.open()
  assert.equal(fixture.judge(fixture.sign(firstKey, 'first')), 'accepted')
  assert.equal(fixture.judge(fixture.sign(firstKey, undefined)), 'accepted')
  assert.equal(fixture.requests, 1)
  const [event] = fixture.events.all
  assert.ok(event?.type === 'keys_loaded' && event.keys === 1)
  assert.ok(!event.source.includes('tenant'))
})

test('an unknown kid is key_unknown, is fetched once, then accepted (PROTOCOL 3.6)', async (t) => {
  const fixture = await Fixture.create(t)
  await fixture.open()
  fixture.answer = ok(bothSet)
  fixture.clock.advance(jwksCooldownMs)
  const token = fixture.sign(secondKey, 'second')
  for (let at = 0; at < 1_000; at += 1) assert.equal(fixture.judge(token), 'key_unknown')
  await fixture.loads(2)
  assert.equal(fixture.requests, 2)
  assert.equal(fixture.judge(token), 'accepted')
  assert.equal(fixture.judge(fixture.sign(firstKey, 'first')), 'accepted')
})

test('within the cooldown an unknown kid waits for its end (PROTOCOL 3.6)', async (t) => {
  const fixture = await Fixture.create(t)
  await fixture.open()
  fixture.answer = ok(bothSet)
  const token = fixture.sign(secondKey, 'second')
  fixture.clock.advance(jwksCooldownMs / 2)
  for (let at = 0; at < 1_000; at += 1) assert.equal(fixture.judge(token), 'key_unknown')
  fixture.clock.advance(jwksCooldownMs / 2 - 1)
  assert.equal(fixture.requests, 1)
  assert.equal(fixture.clock.pending, 1)
  fixture.clock.advance(1)
  await fixture.loads(2)
  assert.equal(fixture.requests, 2)
  assert.equal(fixture.judge(token), 'accepted')
})

test('forged kids cost the issuer one request in a cooldown (PROTOCOL 3.6)', async (t) => {
  const fixture = await Fixture.create(t)
  await fixture.open()
  for (let period = 2; period <= 4; period += 1) {
    for (let at = 0; at < 100; at += 1) {
      const forged = fixture.sign(secondKey, `forged-${String(at)}`)
      assert.equal(fixture.judge(forged), 'key_unknown')
    }
    fixture.clock.advance(jwksCooldownMs)
    await until(() => fixture.requests === period, `request ${String(period)}`)
    await fixture.idle()
  }
  assert.equal(fixture.events.ofType('keys_loaded'), 1)
})

test('what no new key could help is token_invalid at once (PROTOCOL 3.6)', async (t) => {
  const fixture = await Fixture.create(t)
  await fixture.open([testSecret])
  fixture.clock.advance(jwksCooldownMs)
  const forged = signToken(
    { exp: fixture.exp },
    { key: makeEdKey(), algorithm: 'EdDSA', header: { alg: 'EdDSA', kid: 'first' } },
  )
  const hopeless = [
    // The name is known, the signature is not of this key.
    forged,
    fixture.sign(makeEdKey(), undefined),
    // The algorithm is not that of the key of this name.
    fixture.sign(secondKey, 'first'),
    fixture.sign(makeRsaKey(), 7),
    // A key set holds no secrets.
    mint({ exp: fixture.exp }, 'not the secret', { alg: 'HS256', kid: 'elsewhere' }),
    mint({ exp: fixture.exp }, testSecret, { alg: 'none', kid: 'elsewhere' }),
    mint({ exp: fixture.exp }, testSecret, { alg: 'RS384', kid: 'elsewhere' }),
  ]
  for (const token of hopeless) assert.equal(fixture.judge(token), 'token_invalid')
  assert.equal(fixture.judge(mint({ exp: fixture.exp })), 'accepted')
  assert.equal(fixture.requests, 1)
})

test('an issuer that is away at start is tried again (PROTOCOL 3.6)', async (t) => {
  const fixture = await Fixture.create(t)
  fixture.answer = (response) => response.destroy()
  await fixture.open()
  await fixture.failures(1)
  const token = fixture.sign(firstKey, 'first')
  assert.equal(fixture.judge(token), 'key_unknown')
  assert.equal(fixture.judge(fixture.sign(firstKey, undefined)), 'key_unknown')
  fixture.clock.advance(jwksCooldownMs)
  await until(() => fixture.requests === 2, 'the second attempt')
  await fixture.idle()
  assert.equal(fixture.events.all.length, 1)
  fixture.answer = ok(firstSet)
  fixture.clock.advance(jwksCooldownMs)
  await fixture.loads(1)
  assert.equal(fixture.judge(fixture.sign(firstKey, 'first')), 'accepted')
})

test('keys are refreshed, and stay in force while the issuer is away', async (t) => {
  const fixture = await Fixture.create(t)
  await fixture.open()
  fixture.answer = status(500)
  fixture.clock.advance(jwksRefreshMs)
  await fixture.failures(1)
  await fixture.idle()
  const failed = fixture.events.all.at(-1)
  assert.ok(failed?.type === 'keys_failed' && failed.kept === 1)
  assert.match(failed.message, /status 500/)
  assert.equal(fixture.judge(fixture.sign(firstKey, 'first')), 'accepted')
  fixture.answer = ok(bothSet)
  fixture.clock.advance(jwksCooldownMs)
  await fixture.loads(2)
  assert.equal(fixture.judge(fixture.sign(secondKey, 'second')), 'accepted')
})

test('a refresh takes away the keys that the issuer has withdrawn', async (t) => {
  const fixture = await Fixture.create(t)
  fixture.answer = ok(bothSet)
  await fixture.open()
  assert.equal(fixture.judge(fixture.sign(secondKey, 'second')), 'accepted')
  fixture.answer = ok(firstSet)
  fixture.clock.advance(jwksRefreshMs)
  await fixture.loads(2)
  assert.equal(fixture.judge(fixture.sign(secondKey, 'second')), 'key_unknown')
})

test('an answer that is no key set, never comes or never ends is a failure', async (t) => {
  const fixture = await Fixture.create(t)
  await fixture.open()
  const chunk = Buffer.alloc(65_536, ' ')
  const endless: Answer = (response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    }
    response.on('drain', more)
    more()
  }
  const bad: readonly (readonly [Answer, RegExp])[] = [
    [endless, /longer than 1048576 bytes/],
    [status(302, { location: '/elsewhere' }), /status 302/],
    [ok('<html>'), /not JSON/],
    [ok('{"keys":[{"kty":"oct","k":"AAAA"}]}'), /none of its 1 keys/],
  ]
  for (const [at, [answer, message]] of bad.entries()) {
    fixture.answer = answer
    fixture.clock.advance(at === 0 ? jwksRefreshMs : jwksCooldownMs)
    await fixture.failures(at + 1)
    await fixture.idle()
    const failed = fixture.events.all.at(-1)
    assert.ok(failed?.type === 'keys_failed')
    assert.match(failed.message, message)
  }
  let isAsked = false
  fixture.answer = () => (isAsked = true)
  fixture.clock.advance(jwksCooldownMs)
  await until(() => isAsked, 'the request')
  fixture.clock.advance(jwksTimeoutMs)
  await fixture.failures(bad.length + 1)
  assert.equal(fixture.judge(fixture.sign(firstKey, 'first')), 'accepted')
})

test('after close nothing is fetched and no timer is left', async (t) => {
  const fixture = await Fixture.create(t)
  await fixture.open()
  fixture.clock.advance(jwksCooldownMs)
  fixture.answer = () => undefined
  assert.equal(fixture.judge(fixture.sign(secondKey, 'second')), 'key_unknown')
  await until(() => fixture.requests === 2, 'the request')
  fixture.close()
  assert.equal(fixture.clock.pending, 0)
  assert.equal(fixture.judge(fixture.sign(secondKey, 'second')), 'key_unknown')
  assert.equal(fixture.clock.pending, 0)
  assert.equal(fixture.events.ofType('keys_failed'), 0)
})
