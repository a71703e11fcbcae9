/** The end of a WebSocket that did nothing wrong: expiry, silence, a node that leaves. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until } from './harness.js'
import { opcodes, RawWebSocket } from './raw-websocket.js'
import { testFormats } from './test-formats.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const heartbeatMs = 30_000

for (const { name, subprotocol } of testFormats) {
  test(`${name}: every interval brings a heartbeat and a ping (PROTOCOL 10.1)`, async (t) => {
    const clock = new FakeClock()
    const { ws } = await startTestGateway(t, { clock, random: () => 0.5 })
    const client = await TestClient.connect(t, ws, mint(), subprotocol)
    let pings = 0
    client.socket.on('ping', () => (pings += 1))
    // The first one at the moment that was drawn, the others an interval apart.
    clock.advance(heartbeatMs / 2 - 1000)
    client.send({ type: 'ping' })
    await client.next('pong')
    clock.advance(2000)
    assert.deepEqual(await client.next('heartbeat'), { type: 'heartbeat' })
    for (let beat = 2; beat <= 4; beat += 1) {
      clock.advance(heartbeatMs)
      await client.next('heartbeat')
      await until('a ping', () => pings === beat)
    }
  })

  test(`${name}: at exp it is closed with 4003 (PROTOCOL 3.10, 9.4)`, async (t) => {
    const clock = new FakeClock()
    const { ws, counters } = await startTestGateway(t, { clock })
    const exp = Math.floor(clock.now() / 1000) + 10
    const client = await TestClient.connect(t, ws, mint({ exp }), subprotocol)
    // Not before: the tolerance of clockToleranceSeconds counts here, too (PROTOCOL 3.3).
    clock.advance(exp * 1000 - clock.now())
    assert.deepEqual(await client.ask({ type: 'ping', id: 1 }), { type: 'pong', id: 1 })
    clock.advance(5250)
    assert.deepEqual(await client.closed, { code: 4003, reason: 'token_expired' })
    assert.equal(counters.expirations, 1)
  })

  test(`${name}: a node that leaves closes with 4001 (PROTOCOL 10.4, 9.4)`, async (t) => {
    const { ws, gateway, counters } = await startTestGateway(t)
    const client = await TestClient.connect(t, ws, mint({ channels: ['chat.7'] }), subprotocol)
    await gateway.close()
    assert.deepEqual(await client.closed, { code: 4001, reason: 'draining' })
    assert.equal(counters.connections.websocket, 0)
  })
}

test('the first heartbeat comes at a random moment (PROTOCOL 10.1)', async (t) => {
  const clock = new FakeClock()
  const draws = [0.9, 0.1]
  const { ws } = await startTestGateway(t, { clock, random: () => draws.shift() ?? 0 })
  const late = await TestClient.connect(t, ws, mint())
  const early = await TestClient.connect(t, ws, mint())
  clock.advance(0.2 * heartbeatMs)
  await early.next('heartbeat')
  clock.advance(0.6 * heartbeatMs)
  assert.deepEqual(await late.ask({ type: 'ping', id: 1 }), { type: 'pong', id: 1 })
  assert.equal(late.frames.length, 2)
  clock.advance(0.2 * heartbeatMs)
  await late.next('heartbeat')
})

test('what was due when the connection is gone is nobody’s business', async (t) => {
  const clock = new FakeClock()
  const { ws, counters, internalErrors } = await startTestGateway(t, { clock })
  const exp = Math.floor(clock.now() / 1000) + 10
  const client = await TestClient.connect(t, ws, mint({ exp }))
  client.socket.close(1000)
  await until('the connection to be closed', () => counters.connections.websocket === 0)
  clock.advance(120_000)
  assert.deepEqual(internalErrors, [])
  assert.equal(counters.expirations, 0)
})

test('what was on its way when a connection is closed comes before the close', async (t) => {
  const clock = new FakeClock()
  const { ws, broker } = await startTestGateway(t, { clock })
  const exp = Math.floor(clock.now() / 1000) + 10
  const client = await TestClient.connect(t, ws, mint({ exp, channels: ['chat.7'] }))
  for (let at = 0; at < 20; at += 1) void broker.publish('rt.pub.chat.7', Buffer.from('1'), {})
  clock.advance(15_250)
  await client.closed
  assert.equal(client.frames.filter(({ type }) => type === 'publication').length, 20)
})

test('a connection that says nothing, not even a pong, is closed (PROTOCOL 10.2)', async (t) => {
  // The engine's own timer: this one is as long as the shortest heartbeat makes it.
  const heartbeatSeconds = 4
  const clock = new FakeClock()
  const { port, ws } = await startTestGateway(t, { clock, settings: { heartbeatSeconds } })
  const silent = await RawWebSocket.connect(t, port, mint())
  const ponging = await TestClient.connect(t, ws, mint())
  const began = Date.now()
  const pinging = setInterval(() => clock.advance(1000), 1000)
  t.after(() => clearInterval(pinging))
  await new Promise((resolve) => silent.socket.once('close', resolve))
  const seconds = (Date.now() - began) / 1000
  assert.ok(seconds > 2 * heartbeatSeconds - 1, `closed after ${seconds} s`)
  assert.ok(seconds < 3 * heartbeatSeconds + 1, `closed after ${seconds} s`)
  assert.ok(silent.messages.some(({ opcode }) => opcode === opcodes.ping))
  assert.deepEqual(await ponging.ask({ type: 'ping', id: 1 }), { type: 'pong', id: 1 })
})

test('a clock that is set back stops no heartbeat and no expiry (PROTOCOL 10.1)', async (t) => {
  const timers = new FakeClock()
  let setBackMs = 0
  const clock = {
    now: () => timers.now() - setBackMs,
    after: (ms: number, run: () => void) => timers.after(ms, run),
  }
  const { ws } = await startTestGateway(t, { clock, random: () => 0.5 })
  const exp = Math.floor(clock.now() / 1000) + 300
  const client = await TestClient.connect(t, ws, mint({ exp }))
  timers.advance(1000)
  setBackMs = 120_000
  // The wall clock shows `exp` after 300 s and the 120 s that it was set back.
  for (let beat = 1; beat <= 13; beat += 1) {
    timers.advance(heartbeatMs)
    await client.next('heartbeat')
  }
  timers.advance(exp * 1000 - clock.now())
  await client.next('heartbeat')
  assert.equal(client.frames.length, 15)
  timers.advance(5250)
  assert.deepEqual(await client.closed, { code: 4003, reason: 'token_expired' })
})
