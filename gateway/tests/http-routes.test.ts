/** The public paths: which transport a request gets, which methods there are, what a refusal is. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startTestGateway, until, type TestGateway } from './harness.js'
import {
  askOnce,
  HttpConnection,
  problemOf,
  requestText,
  type HttpAnswer,
  type HttpQuestion,
} from './http-connection.js'
import { TestStream } from './event-stream-client.js'
import { mint } from './tokens.js'

const token = mint({ subscribe: ['news'], publish: ['news'] })
const authorization = `Bearer ${token}`
const shortPoll = '/v1/events?channels=news&wait=0'

/** Everything a refusal must be, beside its code. */
function assertProblem(answer: HttpAnswer, status: number, title: string, code: string): void {
  const problem = problemOf(answer)
  const { detail } = problem
  assert.deepEqual(problem, { type: 'about:blank', title, status, code, detail })
  assert.match(detail, /\.$/)
  assert.equal(answer.status, status)
  assert.equal(answer.headers.get('cache-control'), 'no-store')
}

test('what the client accepts decides for stream or poll (PROTOCOL 1.1)', async (t) => {
  const { port, http, counters } = await startTestGateway(t)
  const accepted: readonly (readonly [string, boolean])[] = [
    ['text/event-stream', true],
    ['text/event-stream; charset=utf-8', true],
    ['application/json, text/event-stream;q=0.9', true],
    ['Text/Event-Stream', true],
    ['*/*', false],
    ['application/json', false],
    ['application/x-text/event-stream', false],
    ['text/event-stream-v2', false],
  ]
  for (const [accept, isStream] of accepted) {
    if (isStream) {
      const stream = await TestStream.welcomed(t, http, { channels: 'news', token }, { accept })
      stream.cut()
    } else {
      const answer = await askOnce(t, port, { path: shortPoll, headers: { authorization, accept } })
      assert.equal(answer.headers.get('content-type'), 'application/json', accept)
    }
  }
  await until('the streams are gone', () => counters.connections.sse === 0)
  assert.equal(counters.handshakesAccepted.sse, accepted.filter(([, isStream]) => isStream).length)
})

test('what the client accepts decides for a POST, too (PROTOCOL 1.1)', async (t) => {
  const { port, http, counters } = await startTestGateway(t)
  const body = '{"channels":["news"],"wait":0}'
  for (const accept of ['*/*', 'application/json', 'text/event-streams']) {
    const headers = { authorization, accept }
    const answer = await askOnce(t, port, { method: 'POST', headers, body })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('content-type'), 'application/json', accept)
  }
  for (const accept of ['text/event-stream', 'a/b, Text/Event-Stream;q=0.1']) {
    const stream = await TestStream.post(t, http, token, { channels: ['news'] }, { accept })
    await stream.next('welcome')
  }
  assert.deepEqual([counters.handshakesAccepted.sse, counters.handshakesAccepted.poll], [2, 3])
})

test('members and parameters that nobody knows are ignored (PROTOCOL 1.3)', async (t) => {
  const { port } = await startTestGateway(t)
  const headers = { authorization }
  const questions: readonly HttpQuestion[] = [
    { path: `${shortPoll}&utm_source=x&__proto__=1`, headers },
    {
      method: 'POST',
      headers,
      body: '{"channels":["news"],"wait":0,"later":{"a":1},"__proto__":{"wait":-1}}',
    },
    {
      method: 'POST',
      path: '/v1/publish?trace=1',
      headers,
      body: '{"channel":"news","data":1,"type":"subscribe","id":"x","ttl":3}',
    },
  ]
  for (const question of questions) {
    const answer = await askOnce(t, port, question)
    assert.equal(answer.status, 200, answer.body)
  }
})

test('HEAD has the status of a short poll, and no content (PROTOCOL 8.5)', async (t) => {
  const { port, counters } = await startTestGateway(t)
  const connection = new HttpConnection(t, port)
  const cases: readonly (readonly [string, string | undefined, number])[] = [
    ['?channels=news&wait=25', authorization, 200],
    ['?channels=news', undefined, 401],
    ['?channels=other', authorization, 403],
    ['?channels=news&wait=x', authorization, 400],
    ['?channels=news&cursor=x', authorization, 400],
  ]
  for (const [query, authorized, status] of cases) {
    const headers = authorized === undefined ? {} : { authorization: authorized }
    const answer = await connection.ask({ method: 'HEAD', path: `/v1/events${query}`, headers })
    assert.equal(answer.status, status, query)
    const isPoll = status === 200
    const type = isPoll ? 'application/json' : 'application/problem+json'
    assert.equal(answer.headers.get('content-type'), type)
    assert.equal(answer.headers.get('cache-control'), 'no-store')
  }
  assert.equal(connection.rest, '')
  assert.equal(counters.connections.poll, 0)
})

test('no answer to HEAD has content, on any path and with any origin (PROTOCOL 8.5)', async (t) => {
  const { port } = await startTestGateway(t)
  const connection = new HttpConnection(t, port)
  const refused = { origin: 'https://evil.example' }
  const questions: readonly (readonly [HttpQuestion, number])[] = [
    [{ path: '/v1/publish' }, 405],
    [{ path: '/nowhere' }, 404],
    [{ path: '/v1/events', headers: refused }, 403],
  ]
  for (const [question, status] of questions) {
    const answer = await connection.ask({ ...question, method: 'HEAD' })
    assert.equal(answer.status, status)
  }
  // Content would have been read as the beginning of this answer.
  const last = await connection.ask({ path: shortPoll, headers: { authorization } })
  assert.equal(last.status, 200)
  assert.equal(connection.rest, '')
})

test('OPTIONS says what the path takes, and wants no token (PROTOCOL 8.4)', async (t) => {
  const { port } = await startTestGateway(t)
  const connection = new HttpConnection(t, port)
  for (const [path, allow] of [
    ['/v1/events', 'GET, HEAD, POST, OPTIONS'],
    ['/v1/publish', 'POST, OPTIONS'],
  ] as const) {
    const answer = await connection.ask({ method: 'OPTIONS', path })
    assert.equal(answer.status, 204)
    assert.equal(answer.headers.get('allow'), allow)
    // RFC 9110, section 8.6.
    assert.equal(answer.headers.has('content-length'), false)
    assert.equal(answer.headers.has('access-control-allow-methods'), false)
  }
  assert.equal(connection.rest, '')
})

test('a method that a path does not have is 405, with those it has (PROTOCOL 8.6)', async (t) => {
  const { port, counters } = await startTestGateway(t)
  const connection = new HttpConnection(t, port)
  const closed = {
    '/v1/events': ['GET, HEAD, POST, OPTIONS', ['PUT', 'DELETE', 'PATCH', 'TRACE', 'CONNECT']],
    '/v1/publish': ['POST, OPTIONS', ['GET', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'CONNECT']],
  } as const
  let count = 0
  for (const [path, [allow, methods]] of Object.entries(closed)) {
    for (const method of methods) {
      const answer = await connection.ask({ method, path, headers: { authorization } })
      assertProblem(answer, 405, 'Method Not Allowed', 'method_not_allowed')
      assert.equal(answer.headers.get('allow'), allow)
      count += 1
    }
  }
  assert.equal(counters.refusals.method_not_allowed, count)
})

test('a method that HTTP does not have ends that connection only (PROTOCOL 8.6)', async (t) => {
  const { port } = await startTestGateway(t)
  for (const method of ['BREW', 'get']) {
    const connection = new HttpConnection(t, port)
    connection.send(requestText({ method, path: shortPoll, headers: { authorization } }))
    // The engine knows no such method and asks nobody.
    await connection.closed()
    assert.equal(connection.rest, '')
  }
  const answer = await askOnce(t, port, { path: shortPoll, headers: { authorization } })
  assert.equal(answer.status, 200)
})

test('a path that there is not is 404, by every method (PROTOCOL 8.6)', async (t) => {
  const { port } = await startTestGateway(t)
  const connection = new HttpConnection(t, port)
  const paths = [
    '/',
    '/v1',
    '/v1/events/',
    '/V1/events',
    '/v1/event',
    '/v1/publish/x',
    '//v1/events',
  ]
  for (const path of paths) {
    const answer = await connection.ask({ path, headers: { authorization } })
    assertProblem(answer, 404, 'Not Found', 'not_found')
  }
  for (const method of ['POST', 'PUT', 'OPTIONS', 'DELETE']) {
    const answer = await connection.ask({ method, path: '/nowhere' })
    assertProblem(answer, 404, 'Not Found', 'not_found')
  }
})

test('each refusal is a problem of its code and status (PROTOCOL 9.1, 9.2)', async (t) => {
  const { port } = await startTestGateway(t)
  const body = `{"channel":"news","data":"${'x'.repeat(70_000)}"}`
  const publish = { method: 'POST', path: '/v1/publish' }
  const headers = { authorization }
  const expired = { authorization: `Bearer ${mint({ exp: 1 })}` }
  const refusals: readonly (readonly [HttpQuestion, number, string, string])[] = [
    [{ path: '/v1/events', headers }, 400, 'Bad Request', 'bad_request'],
    [{ path: shortPoll }, 401, 'Unauthorized', 'token_missing'],
    [{ path: `${shortPoll}&token=x` }, 401, 'Unauthorized', 'token_invalid'],
    [{ path: shortPoll, headers: expired }, 401, 'Unauthorized', 'token_expired'],
    [{ path: '/v1/events?channels=other', headers }, 403, 'Forbidden', 'forbidden'],
    [{ headers: { origin: 'https://evil.example' } }, 403, 'Forbidden', 'origin_refused'],
    [{ path: '/nowhere' }, 404, 'Not Found', 'not_found'],
    [{ method: 'PUT' }, 405, 'Method Not Allowed', 'method_not_allowed'],
    [{ ...publish, headers, body }, 413, 'Payload Too Large', 'too_large'],
  ]
  for (const [question, status, title, code] of refusals) {
    assertProblem(await askOnce(t, port, question), status, title, code)
  }
})

test('a connection goes on after a refusal, its body unread (PROTOCOL 9.1)', async (t) => {
  const { port } = await startTestGateway(t)
  const connection = new HttpConnection(t, port)
  const evil = { origin: 'https://evil.example' }
  const refused: readonly (readonly [HttpQuestion, number])[] = [
    [{ path: shortPoll }, 401],
    [{ method: 'PUT', path: '/v1/publish', body: 'x'.repeat(5000) }, 405],
    [{ method: 'POST', path: '/v1/publish', headers: evil, body: '{"channel":"news"}' }, 403],
    [{ method: 'POST', path: '/v1/publish', headers: { authorization }, body: '{' }, 400],
    [{ method: 'GET', path: '/nowhere', body: 'a body of a GET' }, 404],
  ]
  for (const [question, status] of refused) {
    assert.equal((await connection.ask(question)).status, status)
    const answer = await connection.ask({ path: shortPoll, headers: { authorization } })
    assert.equal(answer.status, 200)
  }
})

test('who may come back is told after how many seconds (PROTOCOL 9.3)', async (t) => {
  const { port } = await startTestGateway(t, { settings: { pendingPollsMax: 0 } })
  const connection = new HttpConnection(t, port)
  const seen = new Set<string>()
  for (let count = 0; count < 60; count += 1) {
    const answer = await connection.ask({ path: shortPoll, headers: { authorization } })
    assertProblem(answer, 503, 'Service Unavailable', 'overloaded')
    const retryAfter = answer.headers.get('retry-after') ?? ''
    assert.match(retryAfter, /^(?:[1-9]|[1-5]\d|60)$/)
    seen.add(retryAfter)
  }
  assert.ok(seen.size > 3, [...seen].join(' '))
})

test('requests that are sent ahead are answered in order while none of them waits', async (t) => {
  const { port } = await startTestGateway(t)
  const connection = new HttpConnection(t, port)
  const question = requestText({ path: shortPoll, headers: { authorization } })
  connection.send(question + requestText({ path: '/nowhere' }) + question)
  assert.equal((await connection.answer()).status, 200)
  assert.equal((await connection.answer()).status, 404)
  assert.equal((await connection.answer()).status, 200)
})

/** The engine answers one request at a time, and ends who does not wait. */
test('a request sent before the poll is answered ends the connection', async (t) => {
  const gateway = await startTestGateway(t)
  const connection = await pendingPoll(t, gateway)
  connection.send(requestText({ path: shortPoll, headers: { authorization } }))
  await connection.closed()
  assert.equal(connection.rest, '')
  const stream = await TestStream.welcomed(t, gateway.http, { channels: 'news', token })
  stream.response.socket.write(requestText({ path: shortPoll, headers: { authorization } }))
  await until('the stream is closed', () => stream.isEnded)
  const { connections, subscriptions } = gateway.counters
  assert.deepEqual([connections, subscriptions], [{ websocket: 0, sse: 0, poll: 0 }, 0])
})

async function pendingPoll(t: TestContext, gateway: TestGateway): Promise<HttpConnection> {
  const connection = new HttpConnection(t, gateway.port)
  connection.send(requestText({ path: '/v1/events?channels=news', headers: { authorization } }))
  await until('the poll waits', () => gateway.counters.connections.poll === 1)
  return connection
}

test('a handshake without a proper key is no poll (PROTOCOL 1.2)', async (t) => {
  const { port } = await startTestGateway(t)
  for (const key of [undefined, 'short']) {
    const headers = {
      authorization,
      upgrade: 'websocket',
      connection: 'Upgrade',
      'sec-websocket-version': '13',
      ...(key === undefined ? {} : { 'sec-websocket-key': key }),
    }
    assertProblem(
      await askOnce(t, port, { path: shortPoll, headers }),
      400,
      'Bad Request',
      'bad_request',
    )
  }
})
