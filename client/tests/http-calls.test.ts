/** Publishing and histories by HTTP: what is sent again, when, and what is not. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { HttpCalls } from '../http-calls.js'
import { TidegateError } from '../tidegate-error.js'
import { FakeClock } from './fake-clock.js'
import { json, refused, ScriptedFetch, type Scripted } from './scripted-fetch.js'
import { testGateway, type TestGatewayOptions } from './test-gateway.js'
import { until } from './until.js'

/** How long an answer is waited for, and a token. */
const [answerMs, tokenMs] = [15_000, 30_000]

interface Options extends TestGatewayOptions {
  readonly url?: string
  readonly isDurable?: boolean
}

function start(script: readonly Scripted[], options: Options = {}) {
  const clock = new FakeClock()
  const scripted = new ScriptedFetch(script)
  const { url = 'https://rt.example.com', isDurable = false, ...rest } = options
  const given = { clock, random: () => 0.25, token: () => 'secret', fetch: scripted.fetch }
  const gateway = testGateway(url, { ...given, ...rest })
  const life = new AbortController()
  const calls = new HttpCalls(gateway, life.signal, () => isDurable)
  const close = () => life.abort(new TidegateError('closed', 'the client was closed'))
  /** Waits until a call pauses before it tries again: then it has a timer beside its own end. */
  const paused = async (): Promise<number> => {
    const isPause = (ms = 0): boolean => ms !== answerMs && ms !== tokenMs
    await until(() => clock.delays.length === 2 && isPause(clock.delays[0]))
    return clock.delays[0] as number
  }
  const resume = async (): Promise<number> => {
    const delayMs = await paused()
    clock.advance(delayMs)
    return delayMs
  }
  return { calls, close, clock, gateway, requests: scripted.requests, scripted, paused, resume }
}

const durable = { isDurable: true }

async function failure(promise: Promise<unknown>): Promise<TidegateError> {
  const error: unknown = await promise.then(
    () => assert.fail('it did not reject'),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof TidegateError, String(error))
  return error
}

function codes(error: TidegateError): readonly unknown[] {
  return [error.code, error.cause instanceof TidegateError ? error.cause.code : undefined]
}

test('publish posts the frame without its type, with a key and the token', async () => {
  const { calls, requests, clock } = start([json({ offset: 41 }), json({})])
  assert.deepEqual(await calls.publish('orders.42', { n: 1 }), { offset: 41 })
  assert.deepEqual(await calls.publish('chat.7', null, { idempotencyKey: 'k1' }), {})
  const [first, second] = requests
  assert.equal(first?.url, 'https://rt.example.com/v1/publish')
  assert.deepEqual([first.method, first.authorization], ['POST', 'bearer secret'])
  const { idempotencyKey, ...rest } = first.body
  assert.match(String(idempotencyKey), /^\d+(-\d+){3}$/)
  assert.deepEqual(rest, { channel: 'orders.42', data: { n: 1 } })
  assert.deepEqual(second?.body, { channel: 'chat.7', idempotencyKey: 'k1', data: null })
  assert.deepEqual(clock.delays, [], 'no timer is left')
})

test('a gateway may have a path of its own', async () => {
  const { calls, requests } = start([json({})], { url: 'https://example.com/rt' })
  await calls.publish('a', 1)
  assert.equal(requests[0]?.url, 'https://example.com/rt/v1/publish')
})

test('where a page is not secure, the key is random all the same', async (t: TestContext) => {
  const { crypto } = globalThis
  t.after(() => Object.defineProperty(globalThis, 'crypto', { value: crypto, configurable: true }))
  const insecure = { getRandomValues: (numbers: Uint32Array) => numbers.fill(10) }
  Object.defineProperty(globalThis, 'crypto', { value: insecure, configurable: true })
  const { calls, requests } = start([json({})])
  await calls.publish('a', 1)
  assert.equal(requests[0]?.body['idempotencyKey'], '10-10-10-10')
})

test('on a durable channel it is sent again, with one key, until it is answered', async () => {
  const { calls, requests, clock, resume } = start(
    [
      'lost',
      refused(503, 'broker_unavailable'),
      refused(500, 'internal_error'),
      refused(502),
      new Response('<html>'),
      json({ offset: 41 }),
    ],
    durable,
  )
  const published = calls.publish('orders.42', 1)
  const waits: number[] = []
  while (waits.length < 5) waits.push(await resume())
  assert.deepEqual(await published, { offset: 41 })
  assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000], 'full jitter, a bound that doubles')
  assert.equal(new Set(requests.map(({ body }) => body['idempotencyKey'])).size, 1)
  assert.deepEqual(clock.delays, [])
})

test('PROTOCOL 9.3: Retry-After is a floor, with up to a second of chance on top', async () => {
  const answers = [refused(503, 'broker_unavailable', '7'), json({ offset: 1 })]
  const { calls, resume } = start(answers, durable)
  const published = calls.publish('orders.42', 1)
  assert.equal(await resume(), 7_250)
  assert.deepEqual(await published, { offset: 1 })
})

test('a request that is not answered for 15 s is given up, and sent again', async () => {
  const { calls, requests, clock, scripted, resume } = start(
    ['silence', json({ offset: 1 })],
    durable,
  )
  const published = calls.publish('orders.42', 1)
  await scripted.sent(1)
  assert.equal(requests[0]?.signal.aborted, false)
  clock.advance(answerMs)
  assert.equal(requests[0].signal.aborted, true)
  await resume()
  assert.deepEqual(await published, { offset: 1 })
})

for (const kind of ['that runs', 'that was set back']) {
  test(`PROTOCOL 4.20: never beyond the duplicate window, by a clock ${kind}`, async () => {
    const clock = new FakeClock()
    const startedAt = clock.now()
    const now = kind === 'that runs' ? () => clock.now() : () => startedAt - 1
    const after = clock.after.bind(clock)
    const sentAt: number[] = []
    const fetch = () => {
      sentAt.push(clock.now() - startedAt)
      return Promise.reject(new TypeError('fetch failed'))
    }
    const { calls } = start([], { ...durable, clock: { now, after }, fetch })
    const failed = failure(calls.publish('orders.42', 1))
    let isOver = false
    void failed.then(() => (isOver = true))
    while (!isOver) {
      // No promise of this test waits for anything but the clock.
      await setImmediate()
      clock.advance(clock.delays[0] ?? 0)
    }
    assert.equal((await failed).code, 'publish_unanswered')
    const last = sentAt.at(-1) ?? 0
    // The last one has 15 s for its answer and 5 s to spare.
    assert.ok(last >= 85_000 && last < (kind === 'that runs' ? 100_000 : 115_000), String(sentAt))
    assert.deepEqual(clock.delays, [])
  })
}

test('a window too short to send twice in leaves time for one answer', async () => {
  let answer: (response: Response) => void = () => undefined
  const fetch = () => new Promise<Response>((resolve) => (answer = resolve))
  const { calls, gateway, clock } = start([], { ...durable, fetch })
  gateway.welcomed({ expiresAt: clock.now() + 3_600_000, duplicateWindowSeconds: 10 })
  const published = calls.publish('orders.42', 1)
  await setImmediate()
  clock.advance(answerMs - 1)
  answer(json({ offset: 1 }))
  assert.deepEqual(await published, { offset: 1 })
})

test('a machine that slept through the duplicate window does not send again', async () => {
  const { calls, requests, clock, paused } = start(['lost'], durable)
  const failed = failure(calls.publish('orders.42', 1))
  await paused()
  clock.advance(3_600_000)
  assert.deepEqual(codes(await failed), ['publish_unanswered', 'connection_lost'])
  assert.equal(requests.length, 1)
})

test('PROTOCOL 4.20: a shorter window is obeyed, as soon as a welcome tells it', async () => {
  const away = () => refused(503, 'broker_unavailable', '9')
  const { calls, gateway, clock, resume } = start([away(), json({ offset: 1 }), away()], durable)
  const published = calls.publish('orders.42', 1)
  await resume()
  assert.deepEqual(await published, { offset: 1 })
  const duplicateWindowSeconds = 29
  gateway.welcomed({ expiresAt: clock.now() + 3_600_000, duplicateWindowSeconds })
  gateway.welcomed({ expiresAt: clock.now() + 3_600_000 })
  const error = await failure(calls.publish('orders.42', 1))
  assert.deepEqual(codes(error), ['publish_unanswered', 'broker_unavailable'])
})

for (const [name, answer, cause] of [
  ['a lost connection', 'lost', 'connection_lost'],
  ['broker_unavailable', refused(503, 'broker_unavailable', '1'), 'broker_unavailable'],
  ['internal_error', refused(500, 'internal_error'), 'internal_error'],
  ['an unknown code', refused(503, 'something_new', '1'), 'something_new'],
  ["a proxy's 503", refused(503), 'http_503'],
  ["a proxy's 408", refused(408), 'http_408'],
  ['an answer that cannot be read', new Response('<html>'), 'protocol_error'],
] as const) {
  test(`on an ephemeral channel it is not sent again after ${name}`, async () => {
    const { calls, requests } = start([answer])
    const error = await failure(calls.publish('chat.7', 1))
    assert.deepEqual(codes(error), ['publish_unanswered', cause])
    assert.equal(requests.length, 1)
  })
}

for (const [status, code] of [
  [429, 'rate_limited'],
  [429, undefined],
  [408, 'request_timeout'],
  [503, 'overloaded'],
  [503, 'draining'],
  [503, 'key_unknown'],
] as const) {
  test(`on an ephemeral channel it is sent again after ${code ?? `a bare ${status}`}`, async () => {
    const { calls, requests, resume } = start([refused(status, code, '3'), json({})])
    const published = calls.publish('chat.7', 1)
    assert.equal(await resume(), 3_250)
    assert.deepEqual(await published, {})
    assert.equal(requests.length, 2)
  })
}

test('who is turned away until the end is told so: it was not published', async () => {
  const full = () => refused(503, 'overloaded', '60')
  const { calls, requests, resume } = start([full(), full()])
  const failed = failure(calls.publish('chat.7', 1))
  await resume()
  const { code, status, retryAfterMs, message } = await failed
  assert.deepEqual([code, status, retryAfterMs], ['overloaded', 503, 60_000])
  assert.equal(message, 'because overloaded')
  assert.equal(requests.length, 2)
})

test('a refusal for good is not asked again, and says so after a lost attempt', async () => {
  const { calls, resume } = start(
    [refused(403, 'forbidden'), 'lost', refused(403, 'forbidden')],
    durable,
  )
  const refusal = await failure(calls.publish('orders.42', 1))
  assert.deepEqual([refusal.code, refusal.status], ['forbidden', 403])
  const later = failure(calls.publish('orders.42', 1))
  await resume()
  // The attempt that was lost may have been published.
  assert.deepEqual(codes(await later), ['publish_unanswered', 'forbidden'])
})

test('an answer with an offset makes its namespace durable, one without ephemeral', async () => {
  const answers = [
    json({ offset: 1 }),
    'lost',
    json({ offset: 2 }),
    'lost',
    json({}),
    'lost',
  ] as const
  const { calls, resume } = start(answers)
  await calls.publish('orders.42', 1)
  const again = calls.publish('orders.43', 1)
  await resume()
  assert.deepEqual(await again, { offset: 2 })
  const other = await failure(calls.publish('chat.7', 1))
  assert.equal(other.code, 'publish_unanswered', 'of another namespace nothing is known')
  await calls.publish('orders.42', 1)
  const changed = await failure(calls.publish('orders.42', 1))
  assert.equal(changed.code, 'publish_unanswered')
})

test('an expired token is replaced at once, and once', async () => {
  const expired = () => refused(401, 'token_expired')
  let asked = 0
  const token = () => `t${(asked += 1)}`
  const { calls, requests } = start([expired(), json({}), expired(), expired()], { token })
  assert.deepEqual(await calls.publish('chat.7', 1), {})
  assert.equal(asked, 2)
  assert.equal(requests[1]?.authorization, 'bearer t2')
  const { code, status } = await failure(calls.publish('chat.7', 1))
  assert.deepEqual([code, status], ['token_expired', 401])
  assert.equal(requests.length, 4)
})

test('a provider that fails is asked again with backoff', async () => {
  let isThere = false
  const token = () => (isThere ? Promise.resolve('t') : Promise.reject(new Error('offline')))
  const { calls, requests, resume, paused } = start([json({})], { token })
  const published = calls.publish('chat.7', 1)
  await resume()
  await paused()
  isThere = true
  assert.equal(await resume(), 500)
  assert.deepEqual(await published, {})
  assert.equal(requests.length, 1)
})

test('data that is no JSON is not sent', async () => {
  const { calls, requests } = start([])
  const circle: unknown[] = []
  circle.push(circle)
  for (const data of [1n, circle]) {
    await assert.rejects(calls.publish('chat.7', data), TypeError)
  }
  assert.equal(requests.length, 0)
})

test('an aborted call rejects with the reason, wherever it is', async () => {
  const { calls, requests, clock, scripted, paused } = start(['silence', 'lost'], durable)
  const reason = new Error('the user left')
  await assert.rejects(calls.publish('o.1', 1, { signal: AbortSignal.abort(reason) }), reason)
  assert.equal(requests.length, 0)
  for (const place of ['in a request', 'in a pause']) {
    const controller = new AbortController()
    const rejected = assert.rejects(
      calls.publish('o.1', 1, { signal: controller.signal }),
      reason,
      place,
    )
    await (place === 'in a request' ? scripted.sent(1) : paused())
    controller.abort(reason)
    await rejected
    assert.deepEqual(clock.delays, [])
  }
  assert.equal(requests[0]?.signal.aborted, true)
  const slow = start([], { token: () => new Promise(() => undefined) })
  const controller = new AbortController()
  const rejected = assert.rejects(slow.calls.history('o.1', { signal: controller.signal }), reason)
  controller.abort(reason)
  await rejected
})

test('a close rejects all calls, and those that come later', async () => {
  const { calls, close, clock, requests, scripted, resume } = start(
    ['lost', 'silence', 'silence'],
    durable,
  )
  const again = calls.publish('o.1', 1)
  await resume()
  const open = [again, calls.history('o.1')].map(failure)
  await scripted.sent(3)
  close()
  for (const error of await Promise.all(open)) assert.equal(error.code, 'closed')
  assert.ok(requests.slice(1).every(({ signal }) => signal.aborted))
  assert.deepEqual(clock.delays, [])
  assert.equal((await failure(calls.publish('o.1', 1))).code, 'closed')
  assert.equal((await failure(calls.history('o.1'))).code, 'closed')
  assert.equal(requests.length, 3)
})

const page = {
  channel: 'orders.42',
  epoch: '5f0c3a9be214',
  publications: [{ channel: 'orders.42', offset: 41, time: 1, data: { state: 'paid' } }],
  after: 41,
  more: false,
  ended: false,
}

test('PROTOCOL 8.7: a page of a history', async () => {
  const { calls, requests } = start([json(page), json(page)])
  assert.deepEqual(await calls.history('orders.42', { after: 38, limit: 2 }), page)
  await calls.history('orders.a:b@c')
  assert.deepEqual(
    requests.map(({ url, method }) => [method, url]),
    [
      ['GET', 'https://rt.example.com/v1/history?channel=orders.42&after=38&limit=2'],
      ['GET', 'https://rt.example.com/v1/history?channel=orders.a%3Ab%40c&after=0&limit=100'],
    ],
  )
})

test('a history is asked for again three times, not after a refusal for good', async () => {
  const away = () => refused(503, 'broker_unavailable', '2')
  const { calls, requests, resume } = start([
    ...(['lost', away(), refused(500)] as const),
    json(page),
    ...[away(), away(), away(), away()],
    refused(400, 'bad_request'),
    ...[1, 2, 3, 4].map(() => new Response('<html>')),
  ])
  const read = calls.history('orders.42')
  const waits = [await resume(), await resume(), await resume()]
  assert.deepEqual(await read, page)
  assert.deepEqual(waits, [250, 2_250, 1_000])
  const failed = failure(calls.history('orders.42'))
  for (let count = 0; count < 3; count += 1) await resume()
  const { code, retryAfterMs } = await failed
  assert.deepEqual([code, retryAfterMs], ['broker_unavailable', 2_000])
  assert.equal(requests.length, 8)
  assert.equal((await failure(calls.history('chat.7'))).code, 'bad_request')
  const unreadable = failure(calls.history('orders.42'))
  for (let count = 0; count < 3; count += 1) await resume()
  assert.equal((await unreadable).code, 'protocol_error')
})
