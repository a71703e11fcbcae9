/** Short streams: how they begin, what ends them, and what they are refused with. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { openNodes } from './durable-nodes.js'
import { TestStream } from './event-stream-client.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { postPoll } from './http-client.js'
import { HttpConnection, requestText } from './http-connection.js'
import { readShort, saidIn, whole } from './short-stream-client.js'
import { SwitchBroker } from './switch-broker.js'
import { mint } from './tokens.js'

const token = mint({ subscribe: ['>'] })
const last = { 'Tidegate-End': '1' }

/** One that waits: it has said its welcome. */
async function waiting(
  t: TestContext,
  { http, counters }: TestGateway,
  body: object,
  bearer = token,
): Promise<TestStream> {
  const stream = await TestStream.post(t, http, bearer, { wait: 20, ...body })
  await stream.next('welcome')
  assert.ok(counters.connections.poll > 0)
  return stream
}

async function publish({ broker }: TestGateway, channel: string, text: string): Promise<void> {
  await broker.publish(`rt.pub.${channel}`, Buffer.from(text), {})
}

function assertNothingLeft({ counters, gateway }: TestGateway): void {
  assert.deepEqual(counters.connections, { websocket: 0, sse: 0, poll: 0 })
  assert.deepEqual([counters.subscriptions, gateway.outbox.bytes], [0, 0])
}

test('with wait 0 a stream says what is there, and ends (PROTOCOL 6.10, 6.2)', async (t) => {
  const gateway = await startTestGateway(t)
  const { http, counters } = gateway
  const body = { channels: ['news', 'stocks.*'], wait: 0 }
  const begin = await readShort(t, http, token, body)
  const { headers } = begin.response
  assert.equal(headers['content-type'], 'text/event-stream')
  assert.deepEqual([headers['cache-control'], headers['x-accel-buffering']], ['no-store', 'no'])
  assert.deepEqual(
    begin.events.map(({ event, data }) => [event, data === '']),
    [
      ['welcome', false],
      ['heartbeat', true],
    ],
  )
  const [welcome] = begin.events
  assert.ok((welcome?.retry ?? 0) >= 1_000)
  const { subscriptions, node } = JSON.parse(welcome?.data ?? '') as Record<string, unknown>
  assert.deepEqual([subscriptions, node], [['news', 'stocks.*'], gateway.gateway.nodeId])
  for (const number of [1, 2]) await publish(gateway, 'news', String(number))
  await publish(gateway, 'stocks.A', '3')
  const cursor = begin.lastEventId
  const next = await readShort(t, http, token, { ...body, cursor })
  assert.deepEqual(saidIn(next.events), [1, 2, 3])
  const none = await readShort(t, http, token, { ...body, cursor: next.lastEventId })
  assert.deepEqual(saidIn(none.events), [])
  // It is a poll to whoever counts.
  assert.deepEqual([counters.handshakesAccepted.poll, counters.handshakesAccepted.sse], [3, 0])
  assert.deepEqual([counters.deliveries.poll, counters.deliveries.sse], [3, 0])
  assertNothingLeft(gateway)
})

test('a publication ends a short stream, with all beside it (PROTOCOL 6.10)', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock() })
  const stream = await waiting(t, gateway, { channels: ['news', 'stocks.*'] })
  await publish(gateway, 'other', '0')
  for (let count = 1; count <= 50; count += 1) {
    void publish(gateway, count % 3 === 0 ? 'stocks.A' : 'news', String(count))
  }
  await whole(stream)
  const numbers = Array.from({ length: 50 }, (_, at) => at + 1)
  assert.deepEqual(saidIn(stream.events), numbers)
  assert.equal(stream.events.at(-1)?.event, 'heartbeat')
  // Cut off behind any of them, it goes on there.
  for (const at of [0, 1, 24, 49, 50]) {
    const cursor = stream.events[at]?.id
    const rest = await readShort(t, gateway.http, token, {
      channels: ['news', 'stocks.*'],
      wait: 0,
      cursor,
    })
    assert.deepEqual(saidIn(rest.events), numbers.slice(at))
  }
  assertNothingLeft(gateway)
})

test('when its wait is over it ends with the newest cursor (PROTOCOL 6.10)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock, random: () => 0.99 })
  for (const wait of [1, 25, 55]) {
    const stream = await waiting(t, gateway, { channels: ['news', 'chat.7'], wait })
    // Of another channel: the cursor passes it all the same.
    await publish(gateway, 'other', '0')
    clock.advance(wait * 1000 - 1)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(gateway.counters.connections.poll, 1)
    clock.advance(251)
    await whole(stream)
    const { id, event } = stream.events.at(-1) ?? {}
    assert.equal(event, 'heartbeat')
    await publish(gateway, 'news', String(wait))
    const next = { channels: ['news', 'chat.7'], wait: 0, cursor: id }
    assert.deepEqual(saidIn((await readShort(t, gateway.http, token, next)).events), [wait])
  }
  assertNothingLeft(gateway)
})

test('a short stream beats while it waits (PROTOCOL 6.10, 6.4, 10.1)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock, random: () => 0.5 })
  const stream = await waiting(t, gateway, { channels: ['news'], wait: 55 })
  clock.advance(15_500)
  const { id } = await stream.next('heartbeat')
  clock.advance(30_500)
  await stream.next('heartbeat')
  assert.equal(stream.isEnded, false)
  await publish(gateway, 'news', '1')
  assert.equal((await stream.publication())['data'], 1)
  await stream.next('heartbeat')
  await stream.ended()
  const next = { channels: ['news'], wait: 0, cursor: id }
  assert.deepEqual(saidIn((await readShort(t, gateway.http, token, next)).events), [1])
})

test('a wait that is none is 400, and only a body has one (PROTOCOL 6.10, 7.2)', async (t) => {
  const gateway = await startTestGateway(t, { settings: { pollWaitSecondsMax: 10 } })
  for (const wait of [-1, 11, 1.5, '5', null, true, [1], {}]) {
    const stream = await TestStream.post(t, gateway.http, token, { channels: ['news'], wait })
    await whole(stream)
    const { code } = JSON.parse(stream.text) as Record<string, unknown>
    assert.deepEqual([stream.response.statusCode, code], [400, 'bad_request'], String(wait))
  }
  assert.equal(gateway.counters.handshakesRefused.poll, 8)
  assert.equal(gateway.hub.interestCount, 0)
  const byGet = await TestStream.open(t, gateway.http, { channels: 'news', token, wait: '0' })
  await byGet.next('welcome')
  await publish(gateway, 'news', '1')
  await byGet.next('message')
  assert.deepEqual([byGet.isEnded, gateway.counters.connections.sse], [false, 1])
})

test('a short stream is refused as an event stream is (PROTOCOL 6.10, 6.6)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker, settings: { pendingPollsMax: 1 } })
  const { http, counters } = gateway
  const body = { channels: ['news'], wait: 20 }
  const problemIn = async (stream: TestStream): Promise<string> => {
    assert.equal(stream.response.statusCode, 200)
    const { data, retry } = await stream.next('problem')
    assert.ok((retry ?? 0) >= 1_000)
    await stream.ended()
    return (JSON.parse(data) as { code: string }).code
  }
  const holder = await waiting(t, gateway, { channels: ['news'] })
  assert.equal(await problemIn(await TestStream.post(t, http, token, body)), 'overloaded')
  assert.equal((await postPoll(http, token, body)).status, 503)
  // Streams have room all the same.
  const endless = await TestStream.post(t, http, token, { channels: ['news'] })
  await endless.next('welcome')
  holder.cut()
  await until('there is room', () => counters.connections.poll === 0)
  broker.isHolding = true
  const begun = TestStream.post(t, http, token, { channels: ['other'], wait: 20 })
  await until('the broker is asked', () => broker.heldCount === 1)
  broker.disconnect()
  assert.equal(await problemIn(await begun), 'broker_unavailable')
  assert.equal(await problemIn(await TestStream.post(t, http, token, body)), 'broker_unavailable')
  const stranger = await TestStream.post(t, http, token, { ...body, channels: ['a..b'] })
  assert.equal(stranger.response.statusCode, 400)
  assert.equal(counters.connections.poll, 0)
})

test('a gap ends a short stream, and the next is not told it (PROTOCOL 6.10, 5.6)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker, hubLimits: { publicationBytesMax: 4 } })
  const body = { channels: ['news', 'chat.7'] }
  const stream = await waiting(t, gateway, body)
  await publish(gateway, 'news', '12345')
  await whole(stream)
  assert.deepEqual(saidIn(stream.events), [['gap', 'news', 'too_large']])
  const away = await waiting(t, gateway, { ...body, cursor: stream.lastEventId })
  broker.disconnect()
  broker.connect()
  await whole(away)
  const told = ['news', 'chat.7'].map((name) => ['gap', name, 'broker_disconnected'])
  assert.deepEqual(saidIn(away.events), told)
  const next = { ...body, cursor: away.lastEventId, wait: 0 }
  assert.deepEqual(saidIn((await readShort(t, gateway.http, token, next)).events), [])
  // Who shows an older one hears it with the welcome, which ends the stream at once.
  const older = { ...body, cursor: stream.lastEventId, wait: 20 }
  const again = await readShort(t, gateway.http, token, older)
  assert.deepEqual(saidIn(again.events), told)
  assert.equal(again.events[0]?.id, undefined)
})

test('what comes while a short stream begins is in it (PROTOCOL 6.10, 7.5)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker, hubLimits: { publicationBytesMax: 4 } })
  broker.isHolding = true
  const asked = TestStream.post(t, gateway.http, token, { channels: ['news'], wait: 20 })
  await until('the broker is asked', () => broker.heldCount === 1)
  broker.isHolding = false
  await publish(gateway, 'news', '1')
  await publish(gateway, 'news', '12345')
  await publish(gateway, 'news', '2')
  broker.release()
  const stream = await asked
  await whole(stream)
  assert.deepEqual(saidIn(stream.events), [1, ['gap', 'news', 'too_large'], 2])
})

test('a node that leaves ends short streams with their cursor (PROTOCOL 6.10, 10.4)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker })
  const streams = await Promise.all(
    [1, 2, 3].map(() => waiting(t, gateway, { channels: ['news'] })),
  )
  broker.isHolding = true
  const asked = TestStream.post(t, gateway.http, token, { channels: ['other'], wait: 20 })
  await until('the broker is asked', () => broker.heldCount === 1)
  const closing = gateway.gateway.close()
  for (const stream of streams) {
    await whole(stream)
    assert.deepEqual(saidIn(stream.events), [])
    assert.match(stream.events.at(-1)?.id ?? '', /^[\w-]{20,}$/)
  }
  // It has not begun, and keeps the cursor that it came with.
  const begun = await asked
  await whole(begun)
  assert.deepEqual(saidIn(begun.events), [['problem', 'draining']])
  await closing
  assertNothingLeft(gateway)
})

test('a token that expires ends a short stream with a problem (PROTOCOL 6.10, 3.10)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock, random: () => 0.99 })
  const exp = Math.floor(clock.now() / 1000) + 10
  const bearer = mint({ exp, subscribe: ['>'] })
  const stream = await waiting(t, gateway, { channels: ['news'], wait: 55 }, bearer)
  clock.advance(15_500)
  await whole(stream)
  assert.deepEqual(saidIn(stream.events), [['problem', 'token_expired']])
  const [heartbeat] = stream.events.slice(1)
  assert.deepEqual([heartbeat?.event, typeof heartbeat?.id], ['heartbeat', 'string'])
  assert.deepEqual(
    [gateway.counters.expirations, gateway.counters.refusals],
    [1, { token_expired: 1 }],
  )
  const next = { channels: ['news'], wait: 55 }
  const refused = await TestStream.post(t, gateway.http, bearer, next)
  assert.equal(refused.response.statusCode, 401)
  assertNothingLeft(gateway)
})

test('who leaves while a short stream waits is forgotten (PROTOCOL 12.1)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  for (const channels of [
    ['news', 'chat.7'],
    ['news', 'orders.1', 'orders.*'],
  ]) {
    const stream = await waiting(t, node, { channels })
    assert.equal(node.counters.subscriptions, channels.length)
    stream.cut()
    await until('it is forgotten', () => node.counters.connections.poll === 0)
    assertNothingLeft(node)
    await nodes.publish('news', 1)
    await nodes.publish('orders.1', 1)
  }
  // At any byte of what it asks.
  const headers = { accept: 'text/event-stream', authorization: `Bearer ${token}` }
  const body = JSON.stringify({ channels: ['news', 'orders.1'], last: 2, wait: 20 })
  const text = requestText({ method: 'POST', headers, body })
  for (let end = 1; end <= text.length; end += 3) {
    const connection = new HttpConnection(t, node.port)
    await new Promise<void>((resolve) => {
      connection.socket.on('close', () => resolve())
      connection.socket.write(text.slice(0, end), () => connection.cut())
    })
  }
  await postPoll(node.http, token, { channels: ['news'] })
  await until('all are gone', () => node.counters.connections.poll === 0)
  assertNothingLeft(node)
})

test('short streams follow one another on one connection (PROTOCOL 6.10)', async (t) => {
  const gateway = await startTestGateway(t)
  const connection = new HttpConnection(t, gateway.port)
  const headers = { accept: 'text/event-stream', authorization: `Bearer ${token}` }
  const ask = (wait: number, cursor?: string): void => {
    const body = JSON.stringify({ channels: ['news'], wait, cursor })
    connection.send(requestText({ method: 'POST', headers, body }))
  }
  ask(0)
  const { body } = await connection.answer()
  ask(20, /(?:id: ([\w-]+)\n[^]*)+$/.exec(body)?.[1])
  await until('the welcome', () => connection.rest.includes('event: welcome'))
  await publish(gateway, 'news', '1')
  await until('the end', () => connection.rest.endsWith('\r\n0\r\n\r\n'))
  assert.match(connection.rest, /"data":1\}\n\n/)
  connection.send(requestText({ path: '/nowhere' }))
  await until('the next answer', () => connection.rest.includes('HTTP/1.1 404'))
})

test('an end ends a short stream once; of all, it is 204 (PROTOCOL 6.10, 6.8)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const channels = ['orders.1', 'orders.2']
  const stream = await waiting(t, node, { channels })
  await nodes.publish('orders.1', 1, last)
  await whole(stream)
  assert.deepEqual(saidIn(stream.events), [1, ['ended', 'orders.1']])
  // Cut off between the two, both come again.
  assert.equal(stream.events[1]?.id, undefined)
  const next = await waiting(t, node, { channels, cursor: stream.lastEventId })
  await nodes.publish('orders.2', 2)
  await whole(next)
  // An end that is known is said, and ends nothing.
  assert.deepEqual(saidIn(next.events), [['ended', 'orders.1'], 2])
  await nodes.publish('orders.2', 3, last)
  const all = await readShort(t, node.http, token, {
    channels,
    cursor: next.lastEventId,
    wait: 20,
  })
  assert.deepEqual(saidIn(all.events).slice(-2), [3, ['ended', 'orders.2']])
  for (const each of [node, await nodes.start()]) {
    for (const wait of [0, 20]) {
      const over = await TestStream.post(t, each.http, token, {
        channels,
        cursor: all.lastEventId,
        wait,
      })
      await whole(over)
      assert.deepEqual([over.response.statusCode, over.text], [204, ''])
      assertNothingLeft(each)
    }
  }
  const late = await readShort(t, node.http, token, { channels: ['orders.1'], last: 3, wait: 20 })
  assert.deepEqual(saidIn(late.events), [1, ['ended', 'orders.1']])
})

test('the engine ends no short stream before its wait is over (PROTOCOL 6.10)', async (t) => {
  const gateway = await startTestGateway(t)
  const body = { channels: ['news'], wait: 14 }
  const begin = performance.now()
  const streams = await Promise.all([1, 2].map(() => waiting(t, gateway, body)))
  // It would after 8 to 12 s, if it took them for connections that are stuck.
  await Promise.all(
    streams.map((stream) => new Promise((resolve) => stream.response.once('close', resolve))),
  )
  assert.ok(performance.now() - begin > 13_900)
  for (const { events } of streams) assert.equal(events.at(-1)?.event, 'heartbeat')
})
