/** One way to ask: what is sent, what an answer or none becomes, and who gives up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GatewayRequest } from '../gateway.js'
import { TidegateError } from '../tidegate-error.js'
import { FakeClock } from './fake-clock.js'
import { json, refused, ScriptedFetch, type Scripted } from './scripted-fetch.js'
import { testGateway, type TestGatewayOptions } from './test-gateway.js'

const read = (response: Response): Promise<string> => response.text()

function start(script: readonly Scripted[], options: TestGatewayOptions = {}) {
  const clock = new FakeClock()
  const scripted = new ScriptedFetch(script)
  let asked = 0
  const token = () => `t${(asked += 1)}`
  const given = { clock, token, fetch: scripted.fetch }
  const gateway = testGateway('https://rt.example.com', { ...given, ...options })
  const ask = (request: Partial<GatewayRequest> = {}): Promise<string> =>
    gateway.ask({ path: 'history?channel=a', ...request }, read)
  return { clock, scripted, gateway, ask, requests: scripted.requests, asked: () => asked }
}

async function failure(promise: Promise<unknown>): Promise<TidegateError> {
  const error = await promise.catch((reason: unknown) => reason)
  assert.ok(error instanceof TidegateError, String(error))
  return error
}

test('with a body it is a POST, without one a GET', async () => {
  const { ask, requests, clock } = start([json({}), json({ n: 1 })])
  await ask({ path: 'events', body: '{"channels":["a"]}' })
  assert.equal(await ask(), '{"n":1}')
  assert.deepEqual(
    requests.map(({ method, url, authorization, body }) => [method, url, authorization, body]),
    [
      ['POST', 'https://rt.example.com/v1/events', 'bearer t1', { channels: ['a'] }],
      ['GET', 'https://rt.example.com/v1/history?channel=a', 'bearer t1', {}],
    ],
  )
  assert.deepEqual(clock.delays, [], 'no timer is left')
})

test('a path of its own is kept, with a slash or without', () => {
  for (const url of ['https://example.com/rt', 'https://example.com/rt/']) {
    const { href } = testGateway(url).address('events')
    assert.equal(href, 'https://example.com/rt/v1/events')
  }
})

test('a ticket is shown as what it is', async () => {
  const { ask, gateway, clock, requests } = start([json({}), json({})])
  await ask()
  assert.equal(gateway.welcomed({ expiresAt: clock.now() + 100_000, ticket: 'k.1' }), 80_000)
  await ask()
  assert.equal(requests[1]?.authorization, 'ticket k.1')
})

test('a token that has expired is replaced once, without a word', async () => {
  const expired = () => refused(401, 'token_expired')
  const { ask, requests, asked } = start([expired(), json({}), expired(), expired(), json({})])
  assert.equal(await ask(), '{}')
  const error = await failure(ask())
  assert.deepEqual([error.code, error.retryable], ['token_expired', true])
  assert.equal(await ask(), '{}', 'nor is one shown again that was refused the second time')
  assert.equal(asked(), 4)
  assert.deepEqual(
    requests.map(({ authorization }) => authorization),
    ['bearer t1', 'bearer t2', 'bearer t2', 'bearer t3', 'bearer t4'],
  )
})

test('two calls whose token has expired meanwhile share the next one', async () => {
  const expired = () => refused(401, 'token_expired')
  const { ask, asked } = start([expired(), expired(), json({}), json({})])
  await Promise.all([ask(), ask()])
  assert.equal(asked(), 2)
})

for (const [what, response, expected] of [
  ['a refusal for good', refused(403, 'forbidden'), ['forbidden', 403, false, undefined]],
  ['a token that is none', refused(401, 'token_invalid'), ['token_invalid', 401, false, undefined]],
  ['overload', refused(503, 'overloaded', '7'), ['overloaded', 503, true, 7_000]],
  ['a limit', refused(429, 'rate_limited', '1'), ['rate_limited', 429, true, 1_000]],
  ["a proxy's page", refused(502), ['http_502', 502, true, undefined]],
  ["a proxy's refusal", refused(404), ['http_404', 404, true, undefined]],
  [
    'a wait until a date, which no gateway writes,',
    refused(503, 'draining', new Date(1_005_000).toUTCString()),
    ['draining', 503, true, undefined],
  ],
] as const) {
  test(`${what} is an error that says so, and is not asked again`, async () => {
    const { ask, requests } = start([response])
    const { code, status, retryable, retryAfterMs } = await failure(ask())
    assert.deepEqual([code, status, retryable, retryAfterMs], expected)
    assert.equal(requests.length, 1)
  })
}

test('a connection that breaks, before or within the answer, is lost', async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('gone')) })
  const { ask } = start(['lost', new Response(broken)])
  for (let count = 0; count < 2; count += 1) {
    const { code, retryable, cause } = await failure(ask())
    assert.deepEqual([code, retryable], ['connection_lost', true])
    assert.ok(cause instanceof Error)
  }
})

test('silence is an end: of an answer that does not begin, and of one that stops', async () => {
  const stopped = new Response(new ReadableStream({}))
  const { ask, clock, scripted, requests } = start(['silence', stopped, 'silence'])
  for (const [count, withinMs] of [undefined, undefined, 40_000].entries()) {
    const failed = failure(withinMs === undefined ? ask() : ask({ withinMs }))
    await scripted.sent(count + 1)
    clock.advance((withinMs ?? 15_000) - 1)
    assert.equal(requests[count]?.signal.aborted, false)
    clock.advance(1)
    const { code, retryable } = await failed
    assert.deepEqual([code, retryable], ['connection_silent', true])
    assert.equal(requests[count]?.signal.aborted, true)
    assert.deepEqual(clock.delays, [])
  }
})

test('the time for an answer does not begin before there is a token', async () => {
  let give: (token: string) => void = () => undefined
  const token = () => new Promise<string>((resolve) => (give = resolve))
  const { ask, clock, scripted } = start([json({})], { token })
  const answer = ask()
  clock.advance(20_000)
  give('slow')
  assert.equal(await answer, '{}')
  assert.equal(scripted.requests[0]?.authorization, 'bearer slow')
})

test('who aborts is told the reason, whatever it waits for', async () => {
  const reason = new Error('the user left')
  const never = () => new Promise<string>(() => undefined)
  const stopped = new Response(new ReadableStream({}))
  for (const [script, options] of [
    [[], { token: never }],
    [['silence'], {}],
    [[stopped], {}],
  ] as const) {
    const { ask, clock, requests, scripted } = start(script, options)
    const leave = new AbortController()
    const rejected = assert.rejects(ask({ signal: leave.signal }), reason)
    await scripted.sent(script.length)
    leave.abort(reason)
    await rejected
    assert.ok(requests.every(({ signal }) => signal.aborted))
    // The provider is still called for others.
    assert.deepEqual(clock.delays, script.length === 0 ? [30_000] : [])
  }
  const { ask, requests } = start([])
  await assert.rejects(ask({ signal: AbortSignal.abort(reason) }), reason)
  assert.equal(requests.length, 0)
})

test('PROTOCOL 4.20: the duplicate window is what was told last', () => {
  const { gateway } = start([])
  assert.equal(gateway.duplicateWindowMs, 120_000)
  gateway.welcomed({ expiresAt: 0, duplicateWindowSeconds: 60 })
  gateway.welcomed({ expiresAt: 0 })
  assert.equal(gateway.duplicateWindowMs, 60_000)
})
