/** Polls: when they are answered, with what, and what the next one finds. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { poll, type PollAnswer } from './http-client.js'
import { askOnce, HttpConnection, problemOf, requestText } from './http-connection.js'
import { SwitchBroker } from './switch-broker.js'
import { mint } from './tokens.js'

const token = mint({ subscribe: ['>'] })
const headers = { authorization: `Bearer ${token}` }

/** A poll that waits: sent, and seen by the gateway. */
async function pending(
  t: TestContext,
  { port, counters }: TestGateway,
  query: string,
): Promise<() => Promise<PollAnswer>> {
  const connection = new HttpConnection(t, port)
  const { poll: before } = counters.connections
  connection.send(requestText({ path: `/v1/events?${query}`, headers }))
  await until('the poll waits', () => counters.connections.poll === before + 1)
  return async () => {
    const answer = await connection.answer()
    assert.equal(answer.status, 200, answer.body)
    return JSON.parse(answer.body) as PollAnswer
  }
}

async function publish({ broker }: TestGateway, channel: string, text: string): Promise<void> {
  await broker.publish(`rt.pub.${channel}`, Buffer.from(text), {})
}

function dataOf({ publications }: PollAnswer): readonly unknown[] {
  return publications.map(({ data }) => data)
}

test('an answer has all of its members, always (PROTOCOL 7.3)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock })
  const exp = Math.floor(clock.now() / 1000) + 300
  const own = { authorization: `Bearer ${mint({ exp, subscribe: ['news'] })}` }
  const question = { path: '/v1/events?channels=news&wait=0', headers: own }
  const answer = await askOnce(t, gateway.port, question)
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('content-type'), 'application/json')
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  const { cursor, ...rest } = JSON.parse(answer.body) as PollAnswer
  assert.match(cursor, /^[\w-]{20,100}$/)
  const nothing = { publications: [], gaps: [], ended: [], recovered: {} }
  assert.deepEqual(rest, { ...nothing, expiresAt: exp * 1000 })
  const payload = '{"n":12345678901234567890,\r\n"a":1.0}'
  await gateway.broker.publish('rt.pub.news', Buffer.from(payload), { 'Tidegate-Sender': 'u1' })
  await gateway.broker.publish('rt.pub.news', Buffer.from([0xff]), { 'Content-Type': 'a/b' })
  const next = await askOnce(t, gateway.port, {
    ...question,
    path: `${question.path}&cursor=${cursor}`,
  })
  const time = clock.now()
  const publications =
    `[{"channel":"news","time":${time},"sender":"u1","data":${payload}},` +
    `{"channel":"news","time":${time},"base64":"/w==","contentType":"a/b"}]`
  assert.ok(next.body.includes(`"publications":${publications},"gaps":[]`), next.body)
  assert.deepEqual((JSON.parse(next.body) as PollAnswer).recovered, { news: true })
})

test('a poll is answered as soon as there is a publication for it (PROTOCOL 7.4)', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock() })
  const answer = await pending(t, gateway, 'channels=news,chat.7')
  await publish(gateway, 'other', '0')
  await publish(gateway, 'chat.7', '1')
  const { publications, gaps, recovered } = await answer()
  assert.deepEqual(
    publications.map(({ channel, data }) => [channel, data]),
    [['chat.7', 1]],
  )
  assert.deepEqual([gaps, recovered], [[], {}])
})

test('what comes together leaves together, the oldest first (PROTOCOL 5.7)', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock() })
  const answer = await pending(t, gateway, 'channels=news,stocks.*')
  for (let count = 0; count < 50; count += 1) {
    void publish(gateway, count % 3 === 0 ? 'stocks.A' : 'news', String(count))
  }
  assert.deepEqual(
    dataOf(await answer()),
    Array.from({ length: 50 }, (_, at) => at),
  )
})

test('a publication is there once for each name that it matches (PROTOCOL 2.6)', async (t) => {
  const gateway = await startTestGateway(t)
  const answer = await pending(t, gateway, 'channels=stocks.*,stocks.A,stocks.>')
  await publish(gateway, 'stocks.A', '1')
  const { publications } = await answer()
  const patterns = publications.map((each) => String((each as { pattern?: string }).pattern))
  assert.deepEqual(patterns.sort(), ['stocks.*', 'stocks.>', 'undefined'])
})

test('a poll waits as long as it says, and 25 seconds by default (PROTOCOL 7.2)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock })
  for (const [query, seconds] of [
    ['channels=news', 25],
    ['channels=news&wait=1', 1],
    ['channels=news&wait=055', 55],
  ] as const) {
    const answer = await pending(t, gateway, query)
    clock.advance(seconds * 1000 - 1)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(gateway.counters.connections.poll, 1)
    clock.advance(251)
    await until('it is answered', () => gateway.counters.connections.poll === 0)
    const { publications, gaps } = await answer()
    assert.deepEqual([publications, gaps], [[], []])
  }
  const answer = await askOnce(t, gateway.port, {
    method: 'POST',
    headers,
    body: '{"channels":["news"],"wait":0}',
  })
  assert.equal(answer.status, 200)
})

test('a wait that is none is 400 (PROTOCOL 7.2)', async (t) => {
  const gateway = await startTestGateway(t)
  const waits = [
    '-1',
    'abc',
    '1e3',
    '56',
    '1.5',
    '',
    '%205',
    '+5',
    '0x1',
    'Infinity',
    '99999',
    '5;',
  ]
  for (const wait of waits) {
    const path = `/v1/events?channels=news&wait=${wait}`
    const answer = await askOnce(t, gateway.port, { path, headers })
    assert.deepEqual([answer.status, problemOf(answer).code], [400, 'bad_request'], wait)
  }
  assert.equal(gateway.hub.interestCount, 0)
})

test('where less than 25 seconds are allowed, these are the default (PROTOCOL 7.2)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock, settings: { pollWaitSecondsMax: 10 } })
  const answer = await pending(t, gateway, 'channels=news')
  clock.advance(10_500)
  await answer()
  const over = '/v1/events?channels=news&wait=11'
  assert.equal((await askOnce(t, gateway.port, { path: over, headers })).status, 400)
})

test('a poll by POST is the same as by GET (PROTOCOL 7.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const ask = async (body: object): Promise<PollAnswer> => {
    const question = { method: 'POST', headers, body: JSON.stringify(body) }
    const answer = await askOnce(t, gateway.port, question)
    assert.equal(answer.status, 200, answer.body)
    return JSON.parse(answer.body) as PollAnswer
  }
  const { cursor } = await ask({ channels: ['news', 'chat.7'], wait: 0 })
  await publish(gateway, 'chat.7', '1')
  const answer = await ask({ channels: ['news', 'chat.7'], cursor, wait: 55 })
  assert.deepEqual(dataOf(answer), [1])
  assert.deepEqual(answer.recovered, { news: true, 'chat.7': true })
  // The cursor of one is good for the other, and an empty one is none.
  assert.deepEqual(dataOf(await poll(gateway.http, token, { channels: 'chat.7', cursor })), [1])
  const begin = await ask({ channels: ['chat.7'], cursor: '', wait: 0 })
  assert.deepEqual([begin.publications, begin.recovered], [[], {}])
})

test('without a cursor a poll begins now; with one it goes on (PROTOCOL 7.5)', async (t) => {
  const gateway = await startTestGateway(t)
  const { http } = gateway
  await publish(gateway, 'news', '0')
  const first = await poll(http, token, { channels: 'news', wait: '0' })
  assert.deepEqual(first.publications, [])
  await publish(gateway, 'news', '1')
  const again = await poll(http, token, { channels: 'news', wait: '0' })
  assert.deepEqual(again.publications, [])
  await publish(gateway, 'news', '2')
  const next = await poll(http, token, { channels: 'news', cursor: first.cursor })
  assert.deepEqual([dataOf(next), next.recovered], [[1, 2], { news: true }])
  // A cursor may be shown again: it is a place, not a ticket.
  const same = await poll(http, token, { channels: 'news', cursor: first.cursor })
  assert.deepEqual(dataOf(same), [1, 2])
  const last = await poll(http, token, { channels: 'news', cursor: next.cursor, wait: '0' })
  assert.deepEqual([dataOf(last), last.recovered], [[], { news: true }])
})

test('a gap answers a poll that waits (PROTOCOL 5.6, 7.4)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker, hubLimits: { publicationBytesMax: 4 } })
  const large = await pending(t, gateway, 'channels=news,chat.7')
  await publish(gateway, 'news', '12345')
  assert.deepEqual((await large()).gaps, [{ channel: 'news', reason: 'too_large' }])
  const away = await pending(t, gateway, 'channels=chat.7,stocks.*')
  broker.disconnect()
  broker.connect()
  assert.deepEqual((await away()).gaps, [
    { channel: 'chat.7', reason: 'broker_disconnected' },
    { channel: 'stocks.*', reason: 'broker_disconnected' },
  ])
})

test('a poll outlives the broker; a cursor from before does not (PROTOCOL 10.6)', async (t) => {
  const broker = new SwitchBroker()
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { broker, clock })
  const answer = await pending(t, gateway, 'channels=news&wait=50')
  broker.disconnect()
  const path = '/v1/events?channels=news&wait=0'
  const refused = await askOnce(t, gateway.port, { path, headers })
  assert.deepEqual([refused.status, problemOf(refused).code], [503, 'broker_unavailable'])
  assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/)
  // It waits on while the broker is away, and its cursor is from before.
  clock.advance(50_500)
  const { cursor, gaps } = await answer()
  assert.deepEqual(gaps, [])
  await publish(gateway, 'news', '"lost"')
  broker.connect()
  await publish(gateway, 'news', '"new"')
  const next = await poll(gateway.http, token, { channels: 'news', cursor, wait: '0' })
  assert.deepEqual(next.gaps, [{ channel: 'news', reason: 'broker_disconnected' }])
  assert.deepEqual(
    next.publications.map(({ data }) => data),
    ['new'],
  )
  assert.deepEqual(next.recovered, { news: false })
})

test('a broker that leaves while a poll begins is 503 (PROTOCOL 7.7)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker })
  broker.isHolding = true
  const connection = new HttpConnection(t, gateway.port)
  const answer = connection.ask({ path: '/v1/events?channels=news,other', headers })
  await until('the broker is asked', () => broker.heldCount === 2)
  broker.disconnect()
  assert.equal(problemOf(await answer).code, 'broker_unavailable')
  assert.deepEqual([gateway.counters.connections.poll, gateway.counters.subscriptions], [0, 0])
})

test('over its limit of pending polls a node refuses (PROTOCOL 7.7)', async (t) => {
  const gateway = await startTestGateway(t, { settings: { pendingPollsMax: 2 } })
  const answers = [
    await pending(t, gateway, 'channels=news'),
    await pending(t, gateway, 'channels=news'),
  ]
  const path = '/v1/events?channels=news&wait=0'
  const refused = await askOnce(t, gateway.port, { path, headers })
  assert.deepEqual([refused.status, problemOf(refused).code], [503, 'overloaded'])
  assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/)
  await publish(gateway, 'news', '1')
  for (const answer of answers) assert.deepEqual(dataOf(await answer()), [1])
  assert.equal((await askOnce(t, gateway.port, { path, headers })).status, 200)
})

test('a client that leaves while its poll waits is forgotten (PROTOCOL 12.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const { counters, hub } = gateway
  const connection = new HttpConnection(t, gateway.port)
  connection.send(requestText({ path: '/v1/events?channels=news,chat.7', headers }))
  await until('the poll waits', () => counters.connections.poll === 1)
  assert.equal(counters.subscriptions, 2)
  connection.cut()
  await until('it is forgotten', () => counters.connections.poll === 0)
  assert.deepEqual([counters.subscriptions, hub.lingeringCount], [0, 2])
  await publish(gateway, 'news', '1')
})
