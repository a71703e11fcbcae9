/** Publishing by HTTP, and what services see and send on the broker's subjects. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { TestStream } from './event-stream-client.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { poll, rawRequest } from './http-client.js'
import {
  askOnce,
  HttpConnection,
  problemOf,
  requestText,
  type HttpAnswer,
} from './http-connection.js'
import { FakeClock } from './fake-clock.js'
import { SwitchBroker } from './switch-broker.js'
import { mint } from './tokens.js'

const all = mint({ sub: 'u1', subscribe: ['chat.>', 'news', 'stocks.>'], publish: ['>'] })

interface Message {
  readonly subject: string
  readonly payload: string
  readonly contentType: string | undefined
  readonly sender: string | undefined
}

/** What a service sees that listens to everything. */
function listen({ broker }: TestGateway): Message[] {
  const messages: Message[] = []
  broker.subscribe('rt.pub.>', ({ subject, payload, header }) => {
    messages.push({
      subject,
      payload: Buffer.from(payload).toString(),
      contentType: header('Content-Type'),
      sender: header('Tidegate-Sender'),
    })
  })
  return messages
}

function publish(
  t: TestContext,
  { port }: TestGateway,
  body: string,
  token: string = all,
): Promise<HttpAnswer> {
  const headers = { authorization: `Bearer ${token}` }
  return askOnce(t, port, { method: 'POST', path: '/v1/publish', headers, body })
}

test('a publication by HTTP reaches the broker byte for byte (PROTOCOL 8.1, 11.3)', async (t) => {
  const gateway = await startTestGateway(t)
  const messages = listen(gateway)
  const data = '{ "b": 12345678901234567890,\n  "a": "\\u00e9", "c": 1.0 }'
  const answer = await publish(t, gateway, `{"channel": "chat.7", "data": ${data} }`)
  assert.equal(answer.status, 200)
  assert.deepEqual(JSON.parse(answer.body), {})
  assert.equal(answer.headers.get('content-type'), 'application/json')
  assert.equal(answer.headers.get('cache-control'), 'no-store')
  const expected = { subject: 'rt.pub.chat.7', payload: data, contentType: undefined, sender: 'u1' }
  assert.deepEqual(messages, [expected])
  assert.equal(gateway.counters.publicationsAccepted, 1)
})

test('a payload of bytes is published with its content type (PROTOCOL 8.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const messages = listen(gateway)
  await publish(t, gateway, '{"channel":"news","base64":"aGk=","contentType":"text/plain"}')
  await publish(t, gateway, '{"channel":"news","base64":"aGk=","idempotencyKey":"k-1"}')
  const types = messages.map(({ payload, contentType }) => [payload, contentType])
  assert.deepEqual(types, [
    ['hi', 'text/plain'],
    ['hi', 'application/octet-stream'],
  ])
})

test('of two members the last counts, and escapes make no new key (PROTOCOL 8.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const messages = listen(gateway)
  const answer = await publish(
    t,
    gateway,
    '{"channel":"a","channel":"news","data":1,"d\\u0061ta":2}',
  )
  assert.equal(answer.status, 200)
  assert.deepEqual([messages[0]?.subject, messages[0]?.payload], ['rt.pub.news', '2'])
})

test('nothing in the request sets the sender but the token (PROTOCOL 5.5, 11.3)', async (t) => {
  const gateway = await startTestGateway(t)
  const messages = listen(gateway)
  const body = '{"channel":"news","data":1,"sender":"boss","headers":{"Tidegate-Sender":"boss"}}'
  const forged = { 'tidegate-sender': 'boss', 'content-type': 'text/plain' }
  for (const sub of ['u2', undefined]) {
    const token = mint({ publish: ['news'], ...(sub === undefined ? {} : { sub }) })
    const headers = { authorization: `Bearer ${token}`, ...forged }
    await askOnce(t, gateway.port, { method: 'POST', path: '/v1/publish', headers, body })
  }
  assert.deepEqual(
    messages.map(({ sender, contentType }) => [sender, contentType]),
    [
      ['u2', undefined],
      [undefined, undefined],
    ],
  )
})

test('a refused publication has the code of its fault (PROTOCOL 8.1)', async (t) => {
  const gateway = await startTestGateway(t, { settings: { publicationBytesMax: 100 } })
  const messages = listen(gateway)
  const some = mint({ publish: ['news', 'chat.*', 'nowhere.>'] })
  const refusals: readonly (readonly [string, number, string])[] = [
    ['{"data":1}', 400, 'bad_request'],
    ['{"channel":7,"data":1}', 400, 'bad_request'],
    ['{"channel":"chat.*","data":1}', 400, 'bad_request'],
    ['{"channel":"chat.","data":1}', 400, 'bad_request'],
    ['{"channel":"chat 7","data":1}', 400, 'bad_request'],
    [`{"channel":"${'a'.repeat(161)}","data":1}`, 400, 'bad_request'],
    ['{"channel":"news"}', 400, 'bad_request'],
    ['{"channel":"news","data":1,"base64":"aGk="}', 400, 'bad_request'],
    ['{"channel":"news","data":1,"contentType":"text/plain"}', 400, 'bad_request'],
    ['{"channel":"news","base64":"aGk"}', 400, 'bad_request'],
    ['{"channel":"news","base64":"a b="}', 400, 'bad_request'],
    ['{"channel":"news","base64":"aGk=","contentType":"text"}', 400, 'bad_request'],
    ['{"channel":"news","base64":"aGk=","contentType":"a/b\\r\\nX: y"}', 400, 'bad_request'],
    ['{"channel":"news","data":1,"idempotencyKey":""}', 400, 'bad_request'],
    ['{"channel":"news","data":1,"idempotencyKey":"a b"}', 400, 'bad_request'],
    ['{"channel":"other","data":1}', 403, 'forbidden'],
    ['{"channel":"chat.a.b","data":1}', 403, 'forbidden'],
    ['{"channel":"nowhere.a","data":1}', 404, 'unknown_namespace'],
    [`{"channel":"news","data":"${'x'.repeat(99)}"}`, 413, 'too_large'],
  ]
  for (const [body, status, code] of refusals) {
    const answer = await publish(t, gateway, body, some)
    assert.deepEqual([answer.status, problemOf(answer).code], [status, code], body)
  }
  assert.deepEqual(messages, [])
  assert.equal(gateway.counters.publicationsAccepted, 0)
  const fits = await publish(t, gateway, `{"channel":"news","data":"${'x'.repeat(98)}"}`, some)
  assert.equal(fits.status, 200)
})

test('a refusal shows at most 60 characters of what was sent (PROTOCOL 8.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const answer = await publish(t, gateway, `{"channel":"${'ab '.repeat(100)}","data":1}`)
  assert.equal(problemOf(answer).code, 'bad_request')
  assert.ok(problemOf(answer).detail.length < 120, problemOf(answer).detail)
})

test('while the broker is away a publication may be retried (PROTOCOL 8.1, 9.3)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker })
  broker.disconnect()
  const answer = await publish(t, gateway, '{"channel":"news","data":1}')
  assert.deepEqual([answer.status, problemOf(answer).code], [503, 'broker_unavailable'])
  assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
  broker.connect()
  assert.equal((await publish(t, gateway, '{"channel":"news","data":1}')).status, 200)
})

test('the answer waits until the broker has the publication (PROTOCOL 8.1)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker })
  broker.isHolding = true
  const first = new HttpConnection(t, gateway.port)
  const question = {
    method: 'POST',
    path: '/v1/publish',
    headers: { authorization: `Bearer ${all}` },
    body: '{"channel":"news","data":1}',
  }
  const taken = first.ask(question)
  await until('the broker is asked', () => broker.heldCount === 1)
  assert.equal(first.rest, '')
  broker.release()
  assert.equal((await taken).status, 200)
  broker.isHolding = true
  const lost = first.ask(question)
  await until('the broker is asked again', () => broker.heldCount === 1)
  broker.disconnect()
  assert.equal(problemOf(await lost).code, 'broker_unavailable')
})

test('who leaves while it is being published disturbs nobody (PROTOCOL 12.1)', async (t) => {
  const broker = new SwitchBroker()
  const gateway = await startTestGateway(t, { broker })
  const messages = listen(gateway)
  broker.isHolding = true
  const leaver = new HttpConnection(t, gateway.port)
  leaver.send(
    requestText({
      method: 'POST',
      path: '/v1/publish',
      headers: { authorization: `Bearer ${all}` },
      body: '{"channel":"news","data":1}',
    }),
  )
  await until('the broker is asked', () => broker.heldCount === 1)
  leaver.cut()
  // The engine has seen that it left once a later connection has been served.
  assert.equal((await askOnce(t, gateway.port, { path: '/nowhere' })).status, 404)
  broker.release()
  await until('it has been published', () => messages.length === 1)
  assert.equal((await publish(t, gateway, '{"channel":"news","data":2}')).status, 200)
  assert.equal(gateway.counters.publicationsAccepted, 2)
})

test('what a service publishes reaches streams and polls (PROTOCOL 11.1, 11.2)', async (t) => {
  const gateway = await startTestGateway(t)
  const { http, broker } = gateway
  const stream = await TestStream.welcomed(t, http, { channels: 'news', token: all })
  const { cursor } = await poll(http, all, { channels: 'news', wait: '0' })
  const headerSets: readonly Readonly<Record<string, string>>[] = [
    {},
    { 'Content-Type': 'application/json; charset=utf-8', 'Tidegate-Sender': 'service-1' },
    { 'Content-Type': 'text/plain', 'X-Other': 'y', channel: 'other', time: '1' },
    { 'Tidegate-Sender': 's'.repeat(257), 'Content-Type': `text/plain; x=${'y'.repeat(250)}` },
  ]
  for (const headers of headerSets) {
    await broker.publish('rt.pub.news', Buffer.from('{"a":1}'), headers)
  }
  const base64 = Buffer.from('{"a":1}').toString('base64')
  const expected = [
    { channel: 'news', data: { a: 1 } },
    { channel: 'news', sender: 'service-1', data: { a: 1 } },
    { channel: 'news', base64, contentType: 'text/plain' },
    { channel: 'news', data: { a: 1 } },
  ]
  const answer = await poll(http, all, { channels: 'news', wait: '0', cursor })
  assert.deepEqual(answer.publications.map(withoutTime), expected)
  for (const each of expected) assert.deepEqual(withoutTime(await stream.publication()), each)
})

test('what comes on a subject that is no channel is dropped (PROTOCOL 11.1)', async (t) => {
  const gateway = await startTestGateway(t)
  const { http, broker, hub } = gateway
  const stream = await TestStream.welcomed(t, http, { channels: 'stocks.*', token: all })
  for (const subject of ['rt.pub.stocks.a/b', 'rt.pub.stocks.ä', 'rt.pub.stocks.A']) {
    await broker.publish(subject, Buffer.from('1'), {})
  }
  assert.equal((await stream.publication())['channel'], 'stocks.A')
  assert.equal(hub.counters.publicationsBadChannel, 2)
})

test('a publication reaches who is there or bridges by cursor (PROTOCOL 11.4)', async (t) => {
  const gateway = await startTestGateway(t)
  const { http } = gateway
  await publish(t, gateway, '{"channel":"news","data":"before"}')
  const { cursor, publications } = await poll(http, all, { channels: 'news', wait: '0' })
  assert.deepEqual(publications, [])
  await publish(t, gateway, '{"channel":"news","data":"between"}')
  const late = await TestStream.welcomed(t, http, { channels: 'news', token: all })
  const answer = await poll(http, all, { channels: 'news', wait: '0', cursor })
  assert.deepEqual(
    answer.publications.map(({ data }) => data),
    ['between'],
  )
  await publish(t, gateway, '{"channel":"news","data":"after"}')
  assert.equal((await late.publication())['data'], 'after')
})

function withoutTime(publication: object): object {
  const { time, ...rest } = publication as { readonly time: unknown }
  assert.equal(typeof time, 'number')
  return rest
}

test('a subject publishes by HTTP no faster than by frames (PROTOCOL 8.1)', async (t) => {
  const settings = { framesPerSecondMax: 1, framesBurstMax: 2 }
  const gateway = await startTestGateway(t, { settings, clock: new FakeClock() })
  const body = '{"channel":"chat.7","data":1}'
  assert.equal((await publish(t, gateway, body)).status, 200)
  assert.equal((await publish(t, gateway, body)).status, 200)
  const refused = await publish(t, gateway, body)
  assert.deepEqual([refused.status, problemOf(refused).code], [429, 'rate_limited'])
  assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/)
  // Another subject has a rate of its own.
  const other = mint({ sub: 'u2', publish: ['chat.7'] })
  assert.equal((await publish(t, gateway, body, other)).status, 200)
})

test('a body without a good token is not waited for (PROTOCOL 8.1)', async (t) => {
  const { port } = await startTestGateway(t)
  for (const path of ['/v1/publish', '/v1/events']) {
    const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{`
    const answer = await rawRequest(t, port, head, /"code":"\w+"/)
    assert.match(answer, /^HTTP\/1.1 401 /)
    assert.match(answer, /"code":"token_missing"/)
  }
})
