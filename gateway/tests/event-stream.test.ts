/** Event streams: what an `EventSource` reads, from the first line to the last. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Authenticator } from '../authenticator.js'
import { TestStream } from './event-stream-client.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until } from './harness.js'
import { askOnce, problemOf } from './http-connection.js'
import { SwitchBroker } from './switch-broker.js'
import { mint } from './tokens.js'

const token = mint({ subscribe: ['news', 'chat.*', 'stocks.>'] })
const cursorGrammar = /^[\w-]{20,100}$/

test('an event stream begins with retry, welcome and cursor (PROTOCOL 6.2)', async (t) => {
  const exp = Math.floor(Date.now() / 1000) + 300
  const { http, gateway } = await startTestGateway(t, { settings: { heartbeatSeconds: 17 } })
  const query = { channels: 'news,stocks.*', token: mint({ exp, subscribe: ['news', 'stocks.>'] }) }
  const stream = await TestStream.open(t, http, query)
  const { statusCode, headers } = stream.response
  assert.equal(statusCode, 200)
  assert.equal(headers['content-type'], 'text/event-stream')
  assert.equal(headers['cache-control'], 'no-store')
  assert.equal(headers['x-accel-buffering'], 'no')
  const { id, data, retry } = await stream.next('welcome')
  assert.match(stream.text, /^retry: \d+\n/)
  assert.ok(retry !== undefined && retry >= 1000 && retry <= 10_000)
  assert.match(id ?? '', cursorGrammar)
  const { connection, ...rest } = JSON.parse(data)
  assert.match(connection, /^\S{1,64}$/)
  assert.deepEqual(rest, {
    node: gateway.nodeId,
    expiresAt: exp * 1000,
    heartbeatSeconds: 17,
    duplicateWindowSeconds: 120,
    subscriptions: ['news', 'stocks.*'],
  })
  assert.match(gateway.nodeId, /^[0-9a-f]{16}$/)
})

test('each connection has a name and a retry of its own (PROTOCOL 4.7, 6.2)', async (t) => {
  const { http } = await startTestGateway(t)
  const names = new Set<string>()
  const retries = new Set<number>()
  for (let count = 0; count < 20; count += 1) {
    const stream = await TestStream.open(t, http, { channels: 'news', token })
    const { data, retry } = await stream.next('welcome')
    names.add((JSON.parse(data) as { connection: string }).connection)
    retries.add(retry ?? 0)
    stream.cut()
  }
  assert.equal(names.size, 20)
  assert.ok(retries.size > 15, [...retries].join(' '))
})

test('a publication is a default event with its cursor (PROTOCOL 6.3)', async (t) => {
  const clock = new FakeClock()
  const { http, broker } = await startTestGateway(t, { clock, random: () => 0.9 })
  const stream = await TestStream.welcomed(t, http, { channels: 'news', token })
  const payload = '{"n":12345678901234567890,"z":1,"a":"\\u00e9é\u2028"}'
  const headers = { 'Tidegate-Sender': 'u "1"' }
  await broker.publish('rt.pub.news', Buffer.from(payload), headers)
  const { id, data } = await stream.next('message')
  const expected = `{"channel":"news","time":${clock.now()},"sender":"u \\"1\\"","data":${payload}}`
  assert.equal(data, expected)
  assert.match(id ?? '', cursorGrammar)
  assert.ok(stream.text.endsWith(`\n\nid: ${id}\ndata: ${expected}\n\n`), stream.text)
})

test('every line break of a payload begins a data line (PROTOCOL 5.2, 6.3)', async (t) => {
  const { http, broker } = await startTestGateway(t)
  const stream = await TestStream.welcomed(t, http, { channels: 'news', token })
  for (const [breaks, lines] of [
    ['{\n "a": 1\n}', 3],
    ['{\r\n "a": 1\r\n}', 3],
    ['{\r "a": 1\r}', 3],
    ['[\n\n\r\r\n1\n]', 6],
    ['\n1', 2],
    ['1\r', 2],
    ['"a\\n\\r\\u2028b"', 1],
  ] as const) {
    await broker.publish('rt.pub.news', Buffer.from(breaks), {})
    const { data } = await stream.next('message')
    assert.equal(data.split('\n').length, lines, JSON.stringify(data))
    const { data: value } = JSON.parse(data) as { readonly data: unknown }
    assert.deepEqual(value, JSON.parse(breaks))
    assert.ok(data.includes(breaks.trim().replace(/\r\n|\r/g, '\n')))
  }
  // A line that begins like a field of an event stream is text.
  await broker.publish('rt.pub.news', Buffer.from('[1,\nid:1,\nevent:2]'), {})
  const { data } = await stream.next('message')
  assert.match(data, /"base64":/)
})

test('a payload that is no JSON is carried as base64 (PROTOCOL 5.3)', async (t) => {
  const { http, broker } = await startTestGateway(t)
  const stream = await TestStream.welcomed(t, http, { channels: 'news', token })
  const bytes = Buffer.from([0xff, 0xd8, 0x0a, 0x0d, 0x00])
  await broker.publish('rt.pub.news', bytes, { 'Content-Type': 'image/jpeg' })
  await broker.publish('rt.pub.news', bytes, {})
  for (const type of ['image/jpeg', 'application/octet-stream']) {
    const { base64, contentType } = await stream.publication()
    assert.deepEqual([base64, contentType], [bytes.toString('base64'), type])
  }
})

test('a publication comes once for each subscription that it matches (PROTOCOL 2.6)', async (t) => {
  const { http, broker } = await startTestGateway(t)
  const names = 'stocks.*,stocks.A,stocks.>'
  const stream = await TestStream.welcomed(t, http, { channels: names, token })
  await broker.publish('rt.pub.stocks.A', Buffer.from('1'), {})
  await broker.publish('rt.pub.stocks.B', Buffer.from('2'), {})
  const seen: string[] = []
  for (let count = 0; count < 5; count += 1) {
    const { channel, pattern, data } = await stream.publication()
    seen.push(`${String(channel)} ${String(pattern)} ${String(data)}`)
  }
  assert.deepEqual(seen.sort(), [
    'stocks.A stocks.* 1',
    'stocks.A stocks.> 1',
    'stocks.A undefined 1',
    'stocks.B stocks.* 2',
    'stocks.B stocks.> 2',
  ])
})

test('publications come in the order in which they reached the node (PROTOCOL 5.7)', async (t) => {
  const { http, broker } = await startTestGateway(t)
  const streams = await Promise.all(
    ['news', 'news,chat.7', 'chat.7,news'].map((channels) =>
      TestStream.welcomed(t, http, { channels, token }),
    ),
  )
  for (let count = 0; count < 2000; count += 1) {
    await broker.publish('rt.pub.news', Buffer.from(String(count)), {})
  }
  for (const stream of streams) {
    await until('all have come', () => stream.events.length === 2001)
    for (let count = 0; count < 2000; count += 1) {
      assert.equal((await stream.publication())['data'], count)
    }
  }
})

test('a heartbeat is the newest cursor and fires no event (PROTOCOL 6.4)', async (t) => {
  const clock = new FakeClock()
  const { http, broker, hub } = await startTestGateway(t, { clock, random: () => 0.5 })
  const stream = await TestStream.open(t, http, { channels: 'news', token })
  const { id: begin } = await stream.next('welcome')
  const other = await TestStream.welcomed(t, http, { channels: 'chat.7', token })
  await broker.publish('rt.pub.chat.7', Buffer.from('1'), {})
  await other.publication()
  clock.advance(15_500)
  const heartbeat = await stream.next('heartbeat')
  assert.ok(stream.text.endsWith(`\n\nid: ${heartbeat.id}\n\n`))
  assert.match(heartbeat.id ?? '', cursorGrammar)
  assert.notEqual(heartbeat.id, begin)
  await other.next('heartbeat')
  // Who was told it goes on from there, beyond what came for others meanwhile.
  const resumed = await TestStream.welcomed(
    t,
    http,
    { channels: 'news', token },
    { 'last-event-id': heartbeat.id ?? '' },
  )
  assert.equal(hub.rings.evictions, 0)
  await broker.publish('rt.pub.news', Buffer.from('2'), {})
  assert.equal((await resumed.publication())['data'], 2)
})

test('the first heartbeat comes at a random moment of its interval (PROTOCOL 10.1)', async (t) => {
  const clock = new FakeClock()
  let draw = 0
  const { http } = await startTestGateway(t, { clock, random: () => draw })
  const streams: TestStream[] = []
  for (draw of [0.1, 0.5, 0.9]) {
    streams.push(await TestStream.welcomed(t, http, { channels: 'news', token }))
  }
  const begin = clock.now()
  const beats = streams.map((): number[] => [])
  for (let step = 0; step < 200; step += 1) {
    clock.advance(500)
    const counts = beats.map((each) => each.length)
    // A heartbeat leaves with the end of the tick.
    await new Promise((resolve) => setImmediate(resolve))
    for (const [at, stream] of streams.entries()) {
      const expected = Math.floor((clock.now() - begin - 1000) / 30_000 + 1 - [0.1, 0.5, 0.9][at]!)
      if (expected <= (counts[at] as number)) continue
      await stream.next('heartbeat')
      beats[at]?.push(clock.now() - begin)
    }
  }
  assert.deepEqual(
    beats.map((each) => each.length),
    [4, 3, 3],
  )
  // And none beside these.
  assert.deepEqual(
    streams.map(({ events }) => events.length),
    [5, 4, 4],
  )
})

test('a publication too large for the node is a gap (PROTOCOL 5.6)', async (t) => {
  const { http, broker } = await startTestGateway(t, { hubLimits: { publicationBytesMax: 10 } })
  const stream = await TestStream.welcomed(t, http, { channels: 'news', token })
  await broker.publish('rt.pub.news', Buffer.from('"0123456789"'), {})
  await broker.publish('rt.pub.news', Buffer.from('1'), {})
  const { data, id } = await stream.next('gap')
  assert.deepEqual(JSON.parse(data), { channel: 'news', reason: 'too_large' })
  assert.equal(id, undefined)
  assert.equal((await stream.publication())['data'], 1)
})

test('a stream outlives the broker, and hears of the gap (PROTOCOL 10.6)', async (t) => {
  const broker = new SwitchBroker()
  const { http, counters } = await startTestGateway(t, { broker })
  const stream = await TestStream.open(t, http, { channels: 'news,stocks.*', token })
  const { id: before } = await stream.next('welcome')
  broker.disconnect()
  await broker.publish('rt.pub.news', Buffer.from('"lost"'), {})
  const refused = await TestStream.open(t, http, { channels: 'news', token })
  assert.equal(refused.response.statusCode, 200)
  assert.equal(JSON.parse((await refused.next('problem')).data).code, 'broker_unavailable')
  await refused.ended()
  assert.equal(counters.connections.sse, 1)
  broker.connect()
  for (const channel of ['news', 'stocks.*']) {
    const gap = JSON.parse((await stream.next('gap')).data)
    assert.deepEqual(gap, { channel, reason: 'broker_disconnected' })
  }
  await broker.publish('rt.pub.news', Buffer.from('"new"'), {})
  assert.equal((await stream.publication())['data'], 'new')
  const resumed = await TestStream.open(
    t,
    http,
    { channels: 'news', token },
    { 'last-event-id': before ?? '' },
  )
  await resumed.next('welcome')
  const { reason } = JSON.parse((await resumed.next('gap')).data)
  assert.equal(reason, 'broker_disconnected')
  assert.equal((await resumed.publication())['data'], 'new')
})

test('a broker that leaves before the welcome is a problem (PROTOCOL 6.6)', async (t) => {
  const broker = new SwitchBroker()
  const { http, counters, hub } = await startTestGateway(t, { broker })
  broker.isHolding = true
  const stream = await TestStream.open(t, http, { channels: 'news', token })
  await until('the broker is asked', () => broker.heldCount === 1)
  broker.disconnect()
  const problem = await stream.next('problem')
  assert.equal(JSON.parse(problem.data).code, 'broker_unavailable')
  await stream.ended()
  assert.deepEqual([counters.connections.sse, counters.subscriptions], [0, 0])
  assert.equal(hub.lingeringCount, hub.interestCount)
})

test('what comes while the broker is asked follows the welcome (PROTOCOL 4.8, 6.2)', async (t) => {
  const broker = new SwitchBroker()
  const { http } = await startTestGateway(t, { broker })
  broker.isHolding = true
  const stream = await TestStream.open(t, http, { channels: 'news', token })
  await until('the broker is asked', () => broker.heldCount === 1)
  broker.isHolding = false
  await broker.publish('rt.pub.news', Buffer.from('1'), {})
  broker.release()
  const { id } = await stream.next('welcome')
  const { data, id: next } = await stream.next('message')
  assert.equal(JSON.parse(data).data, 1)
  assert.notEqual(id, next)
})

test('what an EventSource must survive is 200, nothing else is (PROTOCOL 6.6)', async (t) => {
  const keyUnknown: Authenticator = {
    authenticate: () => ({ ok: false, code: 'key_unknown', message: 'The key is not known yet.' }),
  }
  for (const [options, code] of [
    [{ settings: { connectionsMax: 0 } }, 'overloaded'],
    [{ broker: new SwitchBroker(false) }, 'broker_unavailable'],
    [{ authenticator: keyUnknown }, 'key_unknown'],
  ] as const) {
    const { http } = await startTestGateway(t, options)
    const stream = await TestStream.open(t, http, { channels: 'news', token })
    assert.equal(stream.response.statusCode, 200)
    assert.equal(stream.response.headers['content-type'], 'text/event-stream')
    const { data, retry, id } = await stream.next('problem')
    assert.equal(JSON.parse(data).code, code)
    assert.ok(retry !== undefined && retry >= 1000)
    assert.equal(id, undefined)
    await stream.ended()
  }
  const { port } = await startTestGateway(t)
  const headers = { accept: 'text/event-stream', authorization: `Bearer ${token}` }
  for (const [query, status] of [
    ['channels=news&token=x', 400],
    ['channels=a..b', 400],
    ['channels=other', 403],
    ['channels=news&cursor=x', 400],
  ] as const) {
    const answer = await askOnce(t, port, { path: `/v1/events?${query}`, headers })
    assert.equal(answer.status, status)
    assert.equal(problemOf(answer).status, status)
  }
})
