/** Pages of other origins: who may read an answer, and what a preflight is told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TestStream } from './event-stream-client.js'
import { startTestGateway } from './harness.js'
import { askOnce, HttpConnection, problemOf, type HttpQuestion } from './http-connection.js'
import { mint } from './tokens.js'

const allowed = 'https://app.example'
const refused = 'https://evil.example'
const token = mint({ subscribe: ['news'], publish: ['news'] })
const authorization = `Bearer ${token}`
const corsHeaders = [
  'access-control-allow-origin',
  'access-control-expose-headers',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-allow-credentials',
  'access-control-max-age',
  'vary',
]

/** Each kind of answer, refusals among them, with its status. */
const questions: readonly (readonly [HttpQuestion, number])[] = [
  [{ path: '/v1/events?channels=news&wait=0', headers: { authorization } }, 200],
  [{ method: 'HEAD', path: '/v1/events?channels=news', headers: { authorization } }, 200],
  [{ method: 'POST', headers: { authorization }, body: '{"channels":["news"],"wait":0}' }, 200],
  [
    {
      method: 'POST',
      path: '/v1/publish',
      headers: { authorization },
      body: '{"channel":"news","data":1}',
    },
    200,
  ],
  [{ path: '/v1/events?channels=news&wait=0' }, 401],
  [{ path: '/v1/events?channels=other', headers: { authorization } }, 403],
  [{ method: 'HEAD', path: '/v1/events?channels=news' }, 401],
  [{ method: 'POST', headers: { authorization }, body: 'x' }, 400],
  [{ method: 'POST', headers: { authorization, accept: 'text/event-stream' }, body: 'x' }, 400],
  [{ method: 'POST', path: '/v1/publish', headers: { authorization }, body: 'x' }, 400],
  [{ method: 'PUT', path: '/v1/publish' }, 405],
  [{ path: '/nowhere' }, 404],
]

test('an allowed origin may read every answer, refusals too (PROTOCOL 8.3)', async (t) => {
  const { port } = await startTestGateway(t)
  for (const [question, status] of questions) {
    const headers = { ...question.headers, origin: allowed }
    const answer = await askOnce(t, port, { ...question, headers })
    assert.equal(answer.status, status)
    assert.equal(answer.headers.get('access-control-allow-origin'), allowed)
    assert.equal(answer.headers.get('access-control-expose-headers'), 'Retry-After')
    assert.equal(answer.headers.get('vary'), 'Origin')
    assert.equal(answer.headers.has('access-control-allow-credentials'), false)
  }
})

test('an allowed origin may read event streams, refusing ones too (PROTOCOL 8.3)', async (t) => {
  const { http, port } = await startTestGateway(t, { settings: { connectionsMax: 1 } })
  const query = { channels: 'news', token }
  const stream = await TestStream.welcomed(t, http, query, { origin: allowed })
  const overloaded = await TestStream.open(t, http, query, { origin: allowed })
  await overloaded.next('problem')
  const byPost = await TestStream.post(t, http, token, {}, { origin: allowed })
  await byPost.next('problem')
  for (const { headers } of [stream.response, overloaded.response, byPost.response]) {
    assert.equal(headers['access-control-allow-origin'], allowed)
    assert.equal(headers['access-control-expose-headers'], 'Retry-After')
    assert.equal(headers.vary, 'Origin')
  }
  stream.cut()
  const headers = { origin: allowed, accept: 'text/event-stream' }
  for (const method of ['GET', 'POST']) {
    const answer = await askOnce(t, port, { method, path: '/v1/events?channels=news', headers })
    assert.equal(answer.status, 401)
    assert.equal(answer.headers.get('access-control-allow-origin'), allowed)
  }
})

test('a request without an origin gets no CORS headers (PROTOCOL 8.3)', async (t) => {
  const { port } = await startTestGateway(t)
  for (const [question] of questions) {
    const answer = await askOnce(t, port, question)
    for (const name of corsHeaders) assert.equal(answer.headers.has(name), false, name)
  }
})

test('an origin that is refused may read nothing, on any route (PROTOCOL 3.8, 8.3)', async (t) => {
  const { port } = await startTestGateway(t)
  const origins = [refused, 'null', 'https://app.example:8443', 'http://app.example', 'app.example']
  for (const origin of origins) {
    for (const [question, status] of questions) {
      const headers = { ...question.headers, origin }
      const answer = await askOnce(t, port, { ...question, headers })
      // Paths and methods that there are not are the same to everybody.
      assert.equal(answer.status, status === 404 || status === 405 ? status : 403, origin)
      for (const name of corsHeaders) assert.equal(answer.headers.has(name), false, name)
      if (question.method !== 'HEAD' && answer.status === 403) {
        assert.equal(problemOf(answer).code, 'origin_refused')
      }
    }
  }
})

test('an origin counts in any case, and is said back as it came (PROTOCOL 8.3)', async (t) => {
  const { port } = await startTestGateway(t)
  const headers = { authorization, origin: 'HTTPS://App.Example' }
  const answer = await askOnce(t, port, { path: '/v1/events?channels=news&wait=0', headers })
  assert.equal(answer.status, 200)
  assert.equal(answer.headers.get('access-control-allow-origin'), 'HTTPS://App.Example')
})

test('a preflight of an allowed origin is told all, for two hours (PROTOCOL 8.4)', async (t) => {
  const { port } = await startTestGateway(t)
  const connection = new HttpConnection(t, port)
  for (const [path, allow] of [
    ['/v1/events?channels=news', 'GET, HEAD, POST, OPTIONS'],
    ['/v1/publish', 'POST, OPTIONS'],
  ] as const) {
    const answer = await connection.ask({
      method: 'OPTIONS',
      path,
      headers: {
        origin: allowed,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization, content-type',
      },
    })
    assert.equal(answer.status, 204)
    assert.equal(answer.body, '')
    const told = corsHeaders.map((name) => answer.headers.get(name))
    assert.deepEqual(told, [
      allowed,
      'Retry-After',
      allow,
      'Authorization, Content-Type, Last-Event-ID',
      undefined,
      '7200',
      'Origin',
    ])
    assert.equal(answer.headers.get('allow'), allow)
  }
  assert.equal(connection.rest, '')
})

test('a preflight of another origin is told the methods only (PROTOCOL 8.4)', async (t) => {
  const { port } = await startTestGateway(t)
  const headers = { origin: refused, 'access-control-request-method': 'POST' }
  const answer = await askOnce(t, port, { method: 'OPTIONS', path: '/v1/publish', headers })
  assert.equal(answer.status, 204)
  assert.equal(answer.headers.get('allow'), 'POST, OPTIONS')
  for (const name of corsHeaders) assert.equal(answer.headers.has(name), false, name)
})

test('with any origin allowed each is said back, never a star (PROTOCOL 8.3)', async (t) => {
  const { port } = await startTestGateway(t, { settings: { allowedOrigins: ['*'] } })
  for (const origin of [allowed, refused, 'null']) {
    const headers = { authorization, origin }
    const answer = await askOnce(t, port, { path: '/v1/events?channels=news&wait=0', headers })
    assert.equal(answer.status, 200)
    assert.equal(answer.headers.get('access-control-allow-origin'), origin)
    assert.equal(answer.headers.get('vary'), 'Origin')
  }
})
