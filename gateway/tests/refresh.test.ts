/** In-band refresh: a WebSocket outlives its first token, and permissions change under way. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeBroker } from './fake-broker.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until } from './harness.js'
import { testFormats } from './test-formats.js'
import { mint, type TestClaims } from './tokens.js'
import { TestClient } from './websocket-client.js'

const toleranceMs = 5000
const wheelTickMs = 250

function tokenAt(clock: FakeClock, seconds: number, claims: TestClaims = {}): string {
  return mint({ exp: Math.floor(clock.now() / 1000) + seconds, ...claims })
}

for (const { name, subprotocol } of testFormats) {
  test(`${name}: a refreshed connection outlives its first token (PROTOCOL 3.9)`, async (t) => {
    const clock = new FakeClock()
    const { ws } = await startTestGateway(t, { clock })
    const client = await TestClient.connect(t, ws, tokenAt(clock, 10), subprotocol)
    const exp = Math.floor(clock.now() / 1000) + 100
    const answer = await client.ask({ type: 'refresh', id: 7, token: mint({ exp }) })
    assert.deepEqual(answer, { type: 'refreshed', id: 7, expiresAt: exp * 1000 })
    clock.advance(50_000)
    const pong = await client.ask({ type: 'ping', id: 8 })
    assert.equal(pong.type, 'pong')
    clock.advance(exp * 1000 + toleranceMs + wheelTickMs - clock.now())
    assert.deepEqual(await client.closed, { code: 4003, reason: 'token_expired' })
  })

  test(`${name}: a refused token leaves the old one in force (PROTOCOL 3.9)`, async (t) => {
    const clock = new FakeClock()
    const { ws } = await startTestGateway(t, { clock })
    const claims = { sub: 'u1', subscribe: ['chat.7'] }
    const client = await TestClient.connect(t, ws, tokenAt(clock, 60, claims), subprotocol)
    const refresh = async (token: string): Promise<unknown> => {
      const answer = await client.ask({ type: 'refresh', id: 7, token })
      assert.equal(answer.type, 'error')
      return answer.code
    }
    const good = tokenAt(clock, 600, { ...claims, subscribe: ['chat.8'] })
    assert.equal(await refresh('nonsense'), 'token_invalid')
    assert.equal(await refresh(good.slice(0, -2)), 'token_invalid')
    assert.equal(await refresh(mint({ ...claims, exp: 1 })), 'token_expired')
    assert.equal(await refresh(tokenAt(clock, 7200, claims)), 'token_invalid')
    assert.equal(await refresh(tokenAt(clock, 600, { ...claims, sub: 'u2' })), 'token_invalid')
    assert.equal(await refresh(tokenAt(clock, 600)), 'token_invalid')
    assert.equal(await refresh('x'.repeat(8193)), 'token_invalid')
    const kept = await client.ask({ type: 'subscribe', id: 1, channel: 'chat.7' })
    assert.equal(kept.type, 'subscribed')
    const added = await client.ask({ type: 'subscribe', id: 1, channel: 'chat.8' })
    assert.equal(added.code, 'forbidden')
    clock.advance(60_000 + toleranceMs + wheelTickMs)
    assert.deepEqual(await client.closed, { code: 4003, reason: 'token_expired' })
  })

  test(`${name}: what the new token no longer permits ends (PROTOCOL 3.9)`, async (t) => {
    const { ws, broker, counters } = await startTestGateway(t)
    const channels = ['stocks.*', 'chat.7', 'chat.8', 'prices']
    const client = await TestClient.connect(t, ws, mint({ channels }), subprotocol)
    const token = mint({ subscribe: ['chat.7'], channels: ['prices', 'news'] })
    client.send({ type: 'refresh', id: 7, token })
    await client.next('refreshed')
    const errors = [await client.next('error'), await client.next('error')]
    assert.deepEqual(
      errors.map(({ code, channel, id }) => [code, channel, id]),
      [
        ['forbidden', 'stocks.*', undefined],
        ['forbidden', 'chat.8', undefined],
      ],
    )
    assert.equal(counters.subscriptions, 2)
    for (const channel of ['stocks.MSFT', 'chat.8', 'news', 'chat.7', 'prices']) {
      await broker.publish(`rt.pub.${channel}`, Buffer.from('1'), {})
    }
    // What is new in the claim is permitted, and not subscribed.
    assert.equal((await client.next('publication')).channel, 'chat.7')
    assert.equal((await client.next('publication')).channel, 'prices')
    const answer = await client.ask({ type: 'subscribe', id: 8, channel: 'news' })
    assert.equal(answer.type, 'subscribed')
    const again = await client.ask({ type: 'subscribe', id: 9, channel: 'chat.8' })
    assert.equal(again.code, 'forbidden')
  })
}

test('a refresh may permit more, to subscribe and to publish (PROTOCOL 3.9)', async (t) => {
  const { ws } = await startTestGateway(t)
  const client = await TestClient.connect(t, ws, mint({ sub: 'u1' }))
  const frame = { type: 'publish', id: 1, channel: 'chat.7', data: 1 }
  assert.equal((await client.ask(frame)).code, 'forbidden')
  const token = mint({ sub: 'u1', publish: ['chat.*'] })
  assert.equal((await client.ask({ type: 'refresh', id: 2, token })).type, 'refreshed')
  assert.equal((await client.ask(frame)).type, 'published')
})

test('a refresh may shorten the life of its connection (PROTOCOL 3.9, 3.10)', async (t) => {
  const clock = new FakeClock()
  // No heartbeat comes in between that would look at the time by chance.
  const { ws } = await startTestGateway(t, { clock, random: () => 0.999 })
  const client = await TestClient.connect(t, ws, tokenAt(clock, 600))
  const token = tokenAt(clock, 5)
  assert.equal((await client.ask({ type: 'refresh', id: 1, token })).type, 'refreshed')
  clock.advance(5000 + toleranceMs + wheelTickMs)
  assert.deepEqual(await client.closed, { code: 4003, reason: 'token_expired' })
})

test('many refreshes leave nothing behind that is visited later', async (t) => {
  const clock = new FakeClock()
  const { ws } = await startTestGateway(t, { clock })
  const client = await TestClient.connect(t, ws, tokenAt(clock, 10))
  for (let id = 1; id <= 8; id += 1) {
    const token = tokenAt(clock, id % 2 === 0 ? 20 : 1000)
    assert.equal((await client.ask({ type: 'refresh', id, token })).type, 'refreshed')
  }
  const token = tokenAt(clock, 100)
  assert.equal((await client.ask({ type: 'refresh', id: 9, token })).type, 'refreshed')
  clock.advance(90_000)
  assert.equal((await client.ask({ type: 'ping', id: 10 })).type, 'pong')
  clock.advance(10_000 + toleranceMs + 2 * wheelTickMs)
  assert.equal((await client.closed).code, 4003)
  // Three intervals of 30 s: no heartbeat came twice.
  const heartbeats = client.frames.filter(({ type }) => type === 'heartbeat')
  assert.ok(heartbeats.length >= 3 && heartbeats.length <= 4, String(heartbeats.length))
})

test('a subscription that waits ends with its permission (PROTOCOL 3.9)', async (t) => {
  const broker = new FakeBroker()
  const { ws, counters } = await startTestGateway(t, { broker })
  const client = await TestClient.connect(t, ws, mint({ subscribe: ['chat.*'] }))
  broker.holdConfirmations()
  client.send({ type: 'subscribe', id: 1, channel: 'chat.7' })
  await until('the broker to be asked', () => broker.heldCount === 1)
  client.send({ type: 'refresh', id: 2, token: mint() })
  await client.next('refreshed')
  const ended = await client.next('error')
  assert.deepEqual([ended.code, ended.channel, ended.id], ['forbidden', 'chat.7', undefined])
  broker.releaseConfirmations(true)
  assert.equal((await client.next('error')).id, 1)
  assert.equal(counters.subscriptions, 0)
})

test('no answer to a refresh contains a part of the token (PROTOCOL 3.11)', async (t) => {
  const { ws } = await startTestGateway(t)
  const client = await TestClient.connect(t, ws, mint({ sub: 'u1' }))
  const tokens = [mint({ sub: 'u2' }), mint({ sub: 'u1', exp: 1 }), mint({ sub: 'u1' }, 'forged')]
  for (const token of tokens) {
    client.send({ type: 'refresh', id: 1, token })
    await client.next('error')
    const said = String(client.raw.at(-1))
    for (const part of token.split('.')) assert.ok(!said.includes(part), said)
  }
})

test('who refreshes over and over is refused with the frame id (PROTOCOL 4.17)', async (t) => {
  const clock = new FakeClock()
  const { ws } = await startTestGateway(t, { clock })
  const client = await TestClient.connect(t, ws, tokenAt(clock, 600))
  const ask = (id: number): ReturnType<TestClient['ask']> =>
    client.ask({ type: 'refresh', id, token: tokenAt(clock, 600) })
  for (let id = 1; id <= 10; id += 1) assert.equal((await ask(id)).type, 'refreshed')
  assert.equal((await ask(11)).code, 'rate_limited')
  clock.advance(1000)
  assert.equal((await ask(12)).type, 'refreshed')
})
