/** `GET /v1/history`: pages of what a durable channel keeps, and who may read them. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { MemoryBroker } from '../../hub/memory-broker.js'
import { defaultHistory } from '../../hub/namespaces.js'
import { SwitchHistory } from '../../hub/tests/switch-history.js'
import { systemClock } from '../system-clock.js'
import { ordersToken, publish, publishAll, range } from './durable-orders.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, testSettings, type TestGateway } from './harness.js'
import { askOnce, problemOf, type HttpAnswer } from './http-connection.js'
import { mint } from './tokens.js'

interface Page {
  readonly channel: string
  readonly epoch: string
  readonly publications: readonly Readonly<Record<string, unknown>>[]
  readonly after: number
  readonly more: boolean
  readonly ended: boolean
}

function ask(
  t: TestContext,
  { port }: TestGateway,
  query: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> {
  const authorization = `Bearer ${ordersToken}`
  const path = `/v1/history?${query}`
  return askOnce(t, port, { path, headers: { authorization, ...headers } })
}

async function page(t: TestContext, gateway: TestGateway, query: string): Promise<Page> {
  const answer = await ask(t, gateway, query)
  assert.equal(answer.status, 200, answer.body)
  assert.equal(answer.headers.get('content-type'), 'application/json')
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  return JSON.parse(answer.body) as Page
}

test('a history is paged through by the offset to show next (PROTOCOL 8.7)', async (t) => {
  const gateway = await startTestGateway(t)
  for (const value of range(0, 5)) {
    publish(gateway, 'orders.42', value)
    publish(gateway, 'orders.43', 'elsewhere')
  }
  const first = await page(t, gateway, 'channel=orders.42&limit=2')
  assert.deepEqual(Object.keys(first), [
    'channel',
    'epoch',
    'publications',
    'after',
    'more',
    'ended',
  ])
  const { epoch, publications } = first
  assert.match(epoch, /^[0-9a-f]{12}$/)
  const time = publications[0]?.['time']
  assert.deepEqual(publications[0], { channel: 'orders.42', offset: 1, time, data: 0 })
  assert.deepEqual([publications[1]?.['offset'], publications[1]?.['previous']], [3, 1])
  assert.deepEqual([first.after, first.more, first.ended], [3, true, false])
  const second = await page(t, gateway, `channel=orders.42&limit=100&after=${first.after}`)
  assert.equal(second.epoch, epoch)
  assert.deepEqual(
    second.publications.map(({ offset, data }) => [offset, data]),
    [
      [5, 2],
      [7, 3],
      [9, 4],
    ],
  )
  // What stands before the first one shown may be another one when it is shown.
  assert.ok(!('previous' in (second.publications[0] ?? {})))
  assert.deepEqual([second.after, second.more], [9, false])
  const third = await page(t, gateway, 'channel=orders.42&after=9')
  assert.deepEqual([third.publications, third.after, third.more], [[], 9, false])
  const empty = await page(t, gateway, 'channel=orders.99')
  assert.deepEqual([empty.publications, empty.after, empty.ended], [[], 0, false])
})

test('a page has as many as were asked for, or tells of more (PROTOCOL 8.7)', async (t) => {
  const history = { ...defaultHistory, messagesPerChannel: 10_000 }
  const namespaces = new Map([['orders', { history, patterns: false }]])
  const durableLimits = { recoveryBytesMax: 40_000 }
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { settings: { namespaces }, durableLimits, clock })
  publishAll(gateway, 'orders.42', range(1_000, 2_200))
  const first = await page(t, gateway, 'channel=orders.42&limit=1000')
  assert.deepEqual([first.publications.length, first.after, first.more], [1_000, 1_000, true])
  const rest = await page(t, gateway, 'channel=orders.42&limit=1000&after=1000')
  assert.deepEqual([rest.publications.length, rest.after, rest.more], [200, 1_200, false])
  publishAll(gateway, 'orders.43', Array<string>(12).fill('x'.repeat(8_000)))
  const large: Page[] = []
  do large.push(await page(t, gateway, `channel=orders.43&after=${large.at(-1)?.after ?? 0}`))
  while (large.at(-1)?.more === true)
  assert.deepEqual(
    large.map(({ publications }) => publications.length),
    [5, 5, 2],
  )
  // A node that closes gives large answers their time.
  clock.advance(10_000)
})

test('payloads come byte for byte, a page ends at its bytes (PROTOCOL 8.7)', async (t) => {
  const gateway = await startTestGateway(t, { durableLimits: { recoveryBytesMax: 3_000 } })
  const json = '{ "b": 12345678901234567890, "a": "\\u00e9", "c": 1.0 }'
  void gateway.broker.publish('rt.pub.orders.42', Buffer.from(json), {})
  const bytes = { 'Content-Type': 'image/jpeg', 'Tidegate-Sender': 'u7' }
  void gateway.broker.publish('rt.pub.orders.42', Buffer.from([0xff, 0xd8]), bytes)
  const { body } = await ask(t, gateway, 'channel=orders.42')
  assert.ok(body.includes(`"data":${json}}`), body)
  assert.ok(body.includes('"sender":"u7","base64":"/9g=","contentType":"image/jpeg"}'), body)
  publishAll(gateway, 'orders.43', ['x'.repeat(5_000), 'y'.repeat(5_000)])
  const first = await page(t, gateway, 'channel=orders.43')
  assert.deepEqual([first.publications.length, first.more], [1, true])
})

test('a page says whether its channel has ended (PROTOCOL 8.7, 11.6)', async (t) => {
  const gateway = await startTestGateway(t)
  publish(gateway, 'orders.42', 1)
  publish(gateway, 'orders.42', 2, { 'Tidegate-End': '1' })
  assert.equal((await page(t, gateway, 'channel=orders.42&limit=1')).ended, false)
  assert.equal((await page(t, gateway, 'channel=orders.42&limit=2')).ended, true)
  assert.equal((await page(t, gateway, 'channel=orders.42&after=2')).ended, true)
  publish(gateway, 'orders.42', 3)
  assert.equal((await page(t, gateway, 'channel=orders.42&after=2')).ended, false)
})

test('who may not subscribe may not read, bad questions too (PROTOCOL 8.8)', async (t) => {
  const gateway = await startTestGateway(t)
  for (const [query, status, code] of [
    ['', 400, 'bad_request'],
    ['channel=orders..', 400, 'bad_request'],
    ['channel=orders.*', 400, 'bad_request'],
    ['channel=chat.7', 400, 'bad_request'],
    ['channel=stocks.MSFT', 403, 'forbidden'],
    ['channel=orders.42&after=-1', 400, 'bad_request'],
    ['channel=orders.42&after=9007199254740992', 400, 'bad_request'],
    ['channel=orders.42&limit=0', 400, 'bad_request'],
    ['channel=orders.42&limit=1001', 400, 'bad_request'],
    ['channel=orders.42&limit=1.5', 400, 'bad_request'],
  ] as const) {
    const answer = await ask(t, gateway, query)
    assert.deepEqual([answer.status, problemOf(answer).code], [status, code], query)
  }
  const everything = { authorization: `Bearer ${mint({ subscribe: ['>'] })}` }
  const unknown = await ask(t, gateway, 'channel=nowhere.1', everything)
  assert.deepEqual([unknown.status, problemOf(unknown).code], [404, 'unknown_namespace'])
  const missing = await askOnce(t, gateway.port, { path: '/v1/history?channel=orders.42' })
  assert.deepEqual([missing.status, problemOf(missing).code], [401, 'token_missing'])
})

test('a history that cannot be read now is 503 with Retry-After (PROTOCOL 8.8, 9.3)', async (t) => {
  const broker = new MemoryBroker()
  const { namespaces } = testSettings
  const layout = { subjectPrefix: 'rt', namespaces, publicationBytesMax: 65_536 }
  const history = new SwitchHistory({ broker, layout, clock: systemClock })
  const gateway = await startTestGateway(t, { broker, history })
  history.switchTo(false)
  const answer = await ask(t, gateway, 'channel=orders.42')
  assert.deepEqual([answer.status, problemOf(answer).code], [503, 'broker_unavailable'])
  assert.ok(Number(answer.headers.get('retry-after')) >= 1)
  history.switchTo(true)
  await page(t, gateway, 'channel=orders.42')
})

test('what one subject reads is bounded, others read on (PROTOCOL 8.8, 8.1)', async (t) => {
  const settings = { framesBurstMax: 3, framesPerSecondMax: 1 }
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { settings, clock })
  for (let count = 0; count < 3; count += 1) await page(t, gateway, 'channel=orders.42')
  const refused = await ask(t, gateway, 'channel=orders.42')
  assert.deepEqual([refused.status, problemOf(refused).code], [429, 'rate_limited'])
  assert.ok(Number(refused.headers.get('retry-after')) >= 1)
  const other = mint({ sub: 'u2', subscribe: ['orders.>'] })
  const read = await ask(t, gateway, 'channel=orders.42', { authorization: `Bearer ${other}` })
  assert.equal(read.status, 200)
  clock.advance(1_000)
  await page(t, gateway, 'channel=orders.42')
})

test('it takes GET and OPTIONS, with CORS as everywhere (PROTOCOL 8.6, 8.3, 8.4)', async (t) => {
  const gateway = await startTestGateway(t)
  const origin = 'https://app.example'
  for (const method of ['POST', 'HEAD', 'DELETE']) {
    const answer = await askOnce(t, gateway.port, { method, path: '/v1/history' })
    assert.deepEqual([answer.status, answer.headers.get('allow')], [405, 'GET, OPTIONS'], method)
  }
  const headers = { origin }
  const question = { method: 'OPTIONS', path: '/v1/history', headers }
  const preflight = await askOnce(t, gateway.port, question)
  assert.equal(preflight.status, 204)
  assert.equal(preflight.headers.get('access-control-allow-methods'), 'GET, OPTIONS')
  const answer = await ask(t, gateway, 'channel=orders.42', headers)
  assert.equal(answer.headers.get('access-control-allow-origin'), origin)
  const refused = await ask(t, gateway, 'channel=orders.42', { origin: 'https://else.example' })
  assert.deepEqual([refused.status, problemOf(refused).code], [403, 'origin_refused'])
})
