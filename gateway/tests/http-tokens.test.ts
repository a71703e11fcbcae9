/** Whose request it is, on each transport of HTTP: where a token is looked for, what refuses it. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { Authenticator } from '../authenticator.js'
import { DelayHistogram } from '../delay-histogram.js'
import { createMetrics } from '../metrics.js'
import { TestStream } from './event-stream-client.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { askOnce, HttpConnection, problemOf, type HttpAnswer } from './http-connection.js'
import { mint } from './tokens.js'

const claims = { subscribe: ['news'], publish: ['news'] }
const token = mint(claims)
const stream = { accept: 'text/event-stream' }
const unknownKey: Authenticator = {
  authenticate: () => ({ ok: false, code: 'key_unknown', message: 'The key is not known yet.' }),
}

interface Attempt {
  readonly headers?: Readonly<Record<string, string>>
  /** In the query. */
  readonly token?: string
}

type Ask = (t: TestContext, port: number, attempt: Attempt) => Promise<HttpAnswer>

/** The same attempt on every route that wants a token. */
const routes: Readonly<Record<string, Ask>> = {
  poll: (t, port, { headers = {}, token }) =>
    askOnce(t, port, { path: pathOf('events?channels=news&wait=0', token), headers }),
  head: (t, port, { headers = {}, token }) =>
    askOnce(t, port, { method: 'HEAD', path: pathOf('events?channels=news', token), headers }),
  'poll by POST': (t, port, { headers = {}, token }) =>
    askOnce(t, port, {
      method: 'POST',
      path: pathOf('events', token),
      headers,
      body: '{"channels":["news"],"wait":0}',
    }),
  publish: (t, port, { headers = {}, token }) =>
    askOnce(t, port, {
      method: 'POST',
      path: pathOf('publish', token),
      headers,
      body: '{"channel":"news","data":1}',
    }),
}

function pathOf(path: string, token: string | undefined): string {
  if (token === undefined) return `/v1/${path}`
  return `/v1/${path}${path.includes('?') ? '&' : '?'}token=${token}`
}

function bearer(value: string): Attempt {
  return { headers: { authorization: `Bearer ${value}` } }
}

test('a token counts in the header and in the query (PROTOCOL 3.1)', async (t) => {
  const { port, http } = await startTestGateway(t)
  const attempts: readonly Attempt[] = [
    bearer(token),
    { headers: { authorization: `bEARER   ${token}` } },
    { token },
    { ...bearer(token), token },
    { headers: { authorization: 'Basic dXNlcjpwYXNzd29yZA==' }, token },
  ]
  for (const attempt of attempts) {
    for (const [name, ask] of Object.entries(routes)) {
      const answer = await ask(t, port, attempt)
      assert.equal(answer.status, 200, `${name}: ${JSON.stringify(attempt)}`)
    }
    const query = { channels: 'news', ...(attempt.token === undefined ? {} : { token }) }
    const opened = await TestStream.welcomed(t, http, query, attempt.headers)
    opened.cut()
  }
})

test('two different tokens at once are 400, even if both are good (PROTOCOL 3.1)', async (t) => {
  const { port } = await startTestGateway(t)
  for (const [name, ask] of Object.entries(routes)) {
    const answer = await ask(t, port, { ...bearer(token), token: mint({ ...claims, sub: 'u2' }) })
    assert.equal(answer.status, 400, name)
  }
  const headers = { ...stream, ...bearer(token).headers }
  const answer = await askOnce(t, port, { path: '/v1/events?channels=news&token=x', headers })
  assert.equal(problemOf(answer).code, 'bad_request')
})

test('the subprotocol is no place for a token outside of WebSocket (PROTOCOL 3.1)', async (t) => {
  const { port } = await startTestGateway(t)
  const headers = { 'sec-websocket-protocol': `bearer.${token}` }
  const answer = await askOnce(t, port, { path: '/v1/events?channels=news&wait=0', headers })
  assert.equal(problemOf(answer).code, 'token_missing')
})

test('without a good token the answer is 401, with its challenge (PROTOCOL 3.5)', async (t) => {
  const { port } = await startTestGateway(t)
  const invalid = 'Bearer error="invalid_token"'
  const cases: readonly (readonly [Attempt, string, string])[] = [
    [{}, 'token_missing', 'Bearer'],
    [{ headers: { authorization: 'Basic dXNlcjpwYXNz' } }, 'token_missing', 'Bearer'],
    [bearer('x.y.z'), 'token_invalid', invalid],
    [{ token: 'x' }, 'token_invalid', invalid],
    [bearer(mint(claims, 'another-secret-of-32-bytes-or-so')), 'token_invalid', invalid],
    [bearer(mint({ ...claims, exp: 1 })), 'token_expired', invalid],
  ]
  for (const [attempt, code, challenge] of cases) {
    for (const [name, ask] of Object.entries(routes)) {
      const answer = await ask(t, port, attempt)
      assert.equal(answer.status, 401, name)
      assert.equal(answer.headers.get('www-authenticate'), challenge, name)
      if (name !== 'head') assert.equal(problemOf(answer).code, code, name)
    }
    const headers = { ...stream, ...attempt.headers }
    const path = pathOf('events?channels=news', attempt.token)
    const answer = await askOnce(t, port, { path, headers })
    assert.equal(problemOf(answer).code, code)
    assert.equal(answer.headers.get('www-authenticate'), challenge)
  }
})

test('a key that is not known yet is worth another try (PROTOCOL 3.6)', async (t) => {
  const { port, http } = await startTestGateway(t, { authenticator: unknownKey })
  for (const [name, ask] of Object.entries(routes)) {
    const answer = await ask(t, port, bearer(token))
    assert.equal(answer.status, 503, name)
    assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/)
    assert.equal(answer.headers.has('www-authenticate'), false)
    if (name !== 'head') assert.equal(problemOf(answer).code, 'key_unknown')
  }
  const refused = await TestStream.open(t, http, { channels: 'news', token })
  assert.equal(refused.response.statusCode, 200)
  assert.equal(JSON.parse((await refused.next('problem')).data).code, 'key_unknown')
  await refused.ended()
})

test('another origin is refused before its token is read (PROTOCOL 3.8)', async (t) => {
  let asked = 0
  const authenticator: Authenticator = {
    authenticate: () => {
      asked += 1
      return { ok: false, code: 'token_invalid', message: 'The token is bad.' }
    },
  }
  const { port } = await startTestGateway(t, { authenticator })
  for (const origin of ['https://evil.example', 'null', 'https://app.example.evil.example']) {
    const headers = { origin, authorization: `Bearer ${token}` }
    for (const [name, ask] of Object.entries(routes)) {
      const answer = await ask(t, port, { headers })
      assert.equal(answer.status, 403, name)
      if (name !== 'head') assert.equal(problemOf(answer).code, 'origin_refused')
    }
    const path = '/v1/events?channels=news'
    const answer = await askOnce(t, port, { path, headers: { ...headers, ...stream } })
    assert.equal(problemOf(answer).code, 'origin_refused')
  }
  assert.equal(asked, 0)
})

test('a poll is answered when its token expires, the next is 401 (PROTOCOL 3.10)', async (t) => {
  const clock = new FakeClock()
  const { port, counters } = await startTestGateway(t, { clock })
  const exp = Math.floor(clock.now() / 1000) + 20
  const question = {
    path: '/v1/events?channels=news&wait=50',
    headers: { authorization: `Bearer ${mint({ ...claims, exp })}` },
  }
  const connection = new HttpConnection(t, port)
  const answer = connection.ask(question)
  await until('the poll waits', () => counters.connections.poll === 1)
  clock.advance(exp * 1000 + 4500 - clock.now())
  // Within the tolerance the token is good. A client that polls on with it must not be answered at
  // once, again and again.
  const other = new HttpConnection(t, port)
  const second = other.ask(question)
  await until('both polls wait', () => counters.connections.poll === 2)
  clock.advance(1000)
  for (const { status, body } of [await answer, await second]) {
    assert.equal(status, 200)
    const { publications, expiresAt } = JSON.parse(body)
    assert.deepEqual([publications, expiresAt], [[], exp * 1000])
  }
  assert.equal(problemOf(await connection.ask(question)).code, 'token_expired')
})

test('an event stream ends once the tolerance after exp has passed (PROTOCOL 3.10)', async (t) => {
  const clock = new FakeClock()
  const { http, counters } = await startTestGateway(t, { clock, random: () => 0.999 })
  const exp = Math.floor(clock.now() / 1000) + 2
  const opened = await TestStream.welcomed(t, http, {
    channels: 'news',
    token: mint({ ...claims, exp }),
  })
  clock.advance(exp * 1000 + 4500 - clock.now())
  assert.equal(counters.connections.sse, 1)
  clock.advance(1000)
  const problem = await opened.next('problem')
  assert.equal(JSON.parse(problem.data).code, 'token_expired')
  assert.equal(JSON.parse(problem.data).status, 401)
  assert.ok(problem.retry !== undefined && problem.retry >= 1000)
  await opened.ended()
  assert.equal(counters.expirations, 1)
})

test('no answer, cursor or metric has a part of a token in it (PROTOCOL 3.11)', async (t) => {
  const gateway = await startTestGateway(t)
  const { port, http } = gateway
  const secretClaim = 'nobody-may-read-this-claim'
  const bad = mint({ ...claims, sub: secretClaim }, 'another-secret-of-32-bytes-or-so')
  const good = mint({ ...claims, secretClaim })
  const texts: string[] = []
  for (const attempt of [bearer(bad), { token: bad }, bearer(good), { token: good }]) {
    for (const ask of Object.values(routes)) texts.push(textOf(await ask(t, port, attempt)))
  }
  texts.push(textOf(await routes['poll']!(t, port, { ...bearer(good), token: bad })))
  for (const path of ['/nowhere', '/v1/events?channels=other', '/v1/events?channels=a%20b']) {
    texts.push(
      textOf(
        await askOnce(t, port, { path: `${path}${path.includes('?') ? '&' : '?'}token=${good}` }),
      ),
    )
  }
  const opened = await TestStream.welcomed(t, http, { channels: 'news', token: good })
  const refused = await TestStream.open(t, http, { channels: 'news', token: bad })
  await until('the refusal is there', () => refused.isEnded)
  texts.push(opened.text, refused.text, JSON.stringify(opened.response.rawHeaders))
  texts.push(await metricsOf(t, gateway))
  for (const text of texts) {
    for (const part of parts(bad, good)) assert.ok(!text.includes(part), `${part} in ${text}`)
    assert.ok(!text.includes(secretClaim), text)
  }
})

function textOf({ headers, body }: HttpAnswer): string {
  return `${[...headers].join('\n')}\n${body}`
}

/** Every 12 characters of payload and signature; the headers of all tokens are the same. */
function parts(...tokens: readonly string[]): string[] {
  const found: string[] = []
  for (const segment of tokens.flatMap((each) => each.split('.').slice(1))) {
    for (let at = 0; at + 12 <= segment.length; at += 12) found.push(segment.slice(at, at + 12))
  }
  return found
}

async function metricsOf(t: TestContext, { counters, hub, gateway }: TestGateway): Promise<string> {
  const metrics = createMetrics({
    counters,
    hub,
    outbox: { bytes: () => gateway.outbox.bytes },
    deliveryDelay: new DelayHistogram(),
    build: { version: '0', engine: 'test' },
    connectionsMax: 1,
    openFilesMax: 1,
  })
  t.after(() => metrics.close())
  return metrics.read()
}
