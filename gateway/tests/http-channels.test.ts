/** The channels of a request: the same rules for event streams and for polls by GET and by POST. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { TestStream } from './event-stream-client.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { poll } from './http-client.js'
import { askOnce, HttpConnection, problemOf, requestText } from './http-connection.js'
import { mint } from './tokens.js'

const many = mint({ subscribe: ['>'] })

/** The codes with which each transport refuses; `ok` where it does not. By a raw query. */
async function verdicts(
  t: TestContext,
  { port, http }: TestGateway,
  query: string,
  token: string,
): Promise<readonly string[]> {
  const headers = { authorization: `Bearer ${token}` }
  const path = `/v1/events?${query}`
  const stream = await TestStream.open(t, http, query, headers)
  const streamed = stream.response.headers['content-type'] === 'text/event-stream'
  await until('the stream says something', () => stream.text !== '')
  const refusal = streamed ? { code: 'ok' } : (JSON.parse(stream.text) as { code: string })
  stream.cut()
  const answers = [
    await askOnce(t, port, { path: `${path}&wait=0`, headers }),
    await askOnce(t, port, { method: 'POST', headers, body: bodyOf(query) }),
  ]
  const codes = answers.map((answer) => {
    if (answer.status !== 200) return problemOf(answer).code
    return 'ok'
  })
  return [refusal.code, ...codes]
}

/** What the query says, as a body; an empty name in a list is one in the body only. */
function bodyOf(query: string): string {
  const names = new URLSearchParams(query).getAll('channels').flatMap((list) => list.split(','))
  return JSON.stringify({ channels: names.filter((name) => name !== ''), wait: 0 })
}

async function assertVerdict(
  t: TestContext,
  gateway: TestGateway,
  query: string,
  code: string,
  token: string = many,
): Promise<void> {
  const found = await verdicts(t, gateway, query, token)
  assert.deepEqual(found, [code, code, code], query)
}

test('a request has 1 to 16 channels, and a name counts once (PROTOCOL 6.1, 7.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `c${at}`)
  await assertVerdict(t, gateway, '', 'bad_request')
  await assertVerdict(t, gateway, 'channels=', 'bad_request')
  await assertVerdict(t, gateway, 'channels=,,', 'bad_request')
  await assertVerdict(t, gateway, 'channel=c1', 'bad_request')
  await assertVerdict(t, gateway, `channels=${names(16).join(',')}`, 'ok')
  await assertVerdict(t, gateway, `channels=${names(17).join(',')}`, 'bad_request')
  await assertVerdict(t, gateway, `channels=${names(16).join(',')},c0,c15,c0`, 'ok')
  await assertVerdict(t, gateway, `channels=${names(9).join('&channels=')}`, 'ok')
  await assertVerdict(t, gateway, `channels=c1,c2&channels=c2,,c3`, 'ok')
})

test('how many channels a request may have is a setting (PROTOCOL 12.1)', async (t) => {
  const gateway = await startTestGateway(t, { settings: { requestChannelsMax: 2 } })
  await assertVerdict(t, gateway, 'channels=a,b,a', 'ok')
  await assertVerdict(t, gateway, 'channels=a,b,c', 'bad_request')
})

test('the channels of the token are added, and count (PROTOCOL 6.1, 7.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const claimed = Array.from({ length: 15 }, (_, at) => `c${at}`)
  const token = mint({ channels: claimed, subscribe: ['news', 'other'] })
  await assertVerdict(t, gateway, '', 'ok', token)
  await assertVerdict(t, gateway, 'channels=news', 'ok', token)
  await assertVerdict(t, gateway, 'channels=news,c3', 'ok', token)
  await assertVerdict(t, gateway, 'channels=news,other', 'bad_request', token)
  const own = mint({ channels: ['user.u1', 'stocks.*'], subscribe: ['news'] })
  const settings = { namespaces: new Map([['user', { history: undefined, patterns: false }]]) }
  const other = await startTestGateway(t, { settings })
  await assertVerdict(t, other, 'channels=', 'unknown_namespace', own)
})

test('publications of the channels of the token are delivered (PROTOCOL 6.1)', async (t) => {
  const { http, broker } = await startTestGateway(t)
  const token = mint({ channels: ['news', 'stocks.*'], subscribe: ['chat.7'] })
  const stream = await TestStream.open(t, http, { channels: 'chat.7', token })
  const { subscriptions } = JSON.parse((await stream.next('welcome')).data)
  assert.deepEqual([...subscriptions].sort(), ['chat.7', 'news', 'stocks.*'])
  const { cursor } = await poll(http, token, { wait: '0' })
  for (const channel of ['news', 'stocks.A', 'chat.7']) {
    await broker.publish(`rt.pub.${channel}`, Buffer.from('1'), {})
    assert.equal((await stream.publication())['channel'], channel)
  }
  const { publications } = await poll(http, token, { wait: '0', cursor })
  assert.deepEqual(
    publications.map(({ channel }) => channel),
    ['news', 'stocks.A'],
  )
})

test('what is neither a channel nor a pattern is 400 (PROTOCOL 2.1, 2.3, 6.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const bad = [
    ...['a..b', '.a', 'a.', 'a b', 'a/b', 'ä', 'a\n', '\0', '%zz', 'a%', '\ufffd', '<x>', 'a"b'],
    ...['*', '>', '*.a', '>.a', 'stocks.>.a', 'stocks.A*', 'stocks.**', 'x'.repeat(161)],
    ...[Array(17).fill('a').join('.'), `stocks.${'x'.repeat(160)}`, '💥'],
  ]
  for (const name of bad) {
    await assertVerdict(t, gateway, `channels=${encodeURIComponent(name)}`, 'bad_request')
  }
  const good = ['x'.repeat(160), Array(16).fill('stocks').join('.'), 'a-b_c:d@E', '__proto__']
  for (const name of good) await assertVerdict(t, gateway, `channels=${name}`, 'ok')
  // One bad name refuses the whole request.
  await assertVerdict(t, gateway, 'channels=news,a..b', 'bad_request')
})

test('bad percent-encoding is a bad name, never the end (PROTOCOL 6.1)', async (t) => {
  const gateway = await startTestGateway(t)
  for (const name of ['%', '%zz', '%f', '%ff', '%c3%28', '%00', 'news%0d%0aX: y', 'a+b', '%2500']) {
    const raw = `channels=${name.replaceAll(' ', '%20')}`
    await assertVerdict(t, gateway, raw, 'bad_request')
  }
  await assertVerdict(t, gateway, 'channels=n%65ws%2Cother', 'ok')
})

test('what the token does not permit is 403 before 404 (PROTOCOL 2.2, 2.5)', async (t) => {
  const gateway = await startTestGateway(t)
  const token = mint({ subscribe: ['chat.*', 'stocks.*.x', 'nowhere.>'] })
  const cases: readonly (readonly [string, string])[] = [
    ['chat.1', 'ok'],
    ['chat', 'forbidden'],
    ['chat.1.2', 'forbidden'],
    ['news', 'forbidden'],
    ['chat.>', 'forbidden'],
    ['stocks.*.x', 'ok'],
    ['stocks.>', 'forbidden'],
    ['stocks.*', 'forbidden'],
    ['nowhere.a', 'unknown_namespace'],
    ['nowhere.*', 'unknown_namespace'],
    // Who may not have it does not learn whether there is such a namespace.
    ['elsewhere.a', 'forbidden'],
  ]
  for (const [name, code] of cases) {
    await assertVerdict(t, gateway, `channels=${name}`, code, token)
  }
  await assertVerdict(t, gateway, 'channels=chat.1,news', 'forbidden', token)
})

test('a pattern needs a namespace that allows patterns (PROTOCOL 2.4)', async (t) => {
  const gateway = await startTestGateway(t)
  await assertVerdict(t, gateway, 'channels=stocks.*', 'ok')
  await assertVerdict(t, gateway, 'channels=stocks.>', 'ok')
  await assertVerdict(t, gateway, 'channels=chat.*', 'forbidden')
  await assertVerdict(t, gateway, '', 'forbidden', mint({ channels: ['chat.>'] }))
})

test('a refused request leaves no subscription behind (PROTOCOL 6.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const { hub, counters } = gateway
  await assertVerdict(t, gateway, 'channels=news,chat.*', 'forbidden')
  await assertVerdict(t, gateway, 'channels=news,a..b', 'bad_request')
  assert.deepEqual([hub.interestCount, counters.subscriptions], [0, 0])
  assert.deepEqual(counters.connections, { websocket: 0, sse: 0, poll: 0 })
})

test('a node without room for a channel says so (PROTOCOL 6.6, 7.7)', async (t) => {
  const { port, http, hub, counters } = await startTestGateway(t, {
    hubLimits: { channelsMax: 2, lingeringMax: 2 },
  })
  const held = await TestStream.welcomed(t, http, { channels: 'a,b', token: many })
  const refused = await TestStream.open(t, http, { channels: 'b,c', token: many })
  const problem = await refused.next('problem')
  assert.equal(JSON.parse(problem.data).code, 'overloaded')
  assert.ok(problem.retry !== undefined || refused.text.startsWith('retry: '))
  await refused.ended()
  const headers = { authorization: `Bearer ${many}` }
  const answer = await askOnce(t, port, { path: '/v1/events?channels=b,c&wait=0', headers })
  assert.deepEqual([answer.status, problemOf(answer).code], [503, 'overloaded'])
  assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
  assert.deepEqual([hub.interestCount, counters.subscriptions], [2, 2])
  held.cut()
  await until('its channels linger', () => hub.lingeringCount === 2)
  // Who lingers makes room.
  await poll(http, many, { channels: 'b,c', wait: '0' })
})

test('a full node refuses streams and polls for a while (PROTOCOL 6.6)', async (t) => {
  const { port, http } = await startTestGateway(t, { settings: { connectionsMax: 1 } })
  const headers = { authorization: `Bearer ${many}` }
  const waiting = new HttpConnection(t, port)
  const stream = await TestStream.welcomed(t, http, { channels: 'a', token: many })
  const refused = await TestStream.open(t, http, { channels: 'a', token: many })
  assert.equal(refused.response.statusCode, 200)
  const problem = await refused.next('problem')
  assert.ok(problem.retry !== undefined && problem.retry >= 1000 && problem.retry <= 10_000)
  const { code, status, type, title, detail } = JSON.parse(problem.data)
  assert.deepEqual(
    [type, title, status, code],
    ['about:blank', 'Service Unavailable', 503, 'overloaded'],
  )
  assert.equal(typeof detail, 'string')
  await refused.ended()
  waiting.send(requestText({ path: '/v1/events?channels=a', headers }))
  assert.equal(problemOf(await waiting.answer()).code, 'overloaded')
  stream.cut()
})
