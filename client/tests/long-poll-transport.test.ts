/** Polls against a real HTTP server. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test, type TestContext } from 'node:test'
import { LongPollTransport, longPollPace, shortPollPace } from '../long-poll-transport.js'
import { FakeClock } from './fake-clock.js'
import { HeardEvents } from './heard-events.js'
import { startHttp } from './http-server.js'
import { until } from './until.js'

const token = () => Promise.resolve('secret')

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return JSON.parse(text)
}

function answerJson(response: ServerResponse, body: unknown, status = 200, retryAfter?: string) {
  if (retryAfter !== undefined) response.setHeader('retry-after', retryAfter)
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

test('each poll shows the cursor of the last answer, the first asks without waiting', async (t) => {
  const bodies: unknown[] = []
  const { url } = await startHttp(t, (request, response) => {
    void readBody(request).then((body) => {
      assert.equal(request.headers.authorization, 'Bearer secret')
      assert.equal(request.url, '/v1/events')
      const count = bodies.push(body)
      if (count > 2) return // held: nothing happens
      const publications = count === 2 ? [{ channel: 'a', time: 5, data: { n: 1 } }] : []
      answerJson(response, { cursor: `c${count}`, publications, gaps: [], recovered: {} })
    })
  })
  const heard = new HeardEvents()
  const transport = new LongPollTransport(longPollPace, new FakeClock())
  const connection = transport.open({ url, token, channels: ['a', 'b'] }, heard.take)
  t.after(() => connection.close())
  await heard.next('publication')
  await heard.next('wire', 5)
  assert.equal(heard.of('welcome').length, 1)
  assert.equal(connection.cursor, 'c2')
  assert.deepEqual(bodies.slice(0, 2), [
    { channels: ['a', 'b'], wait: 0 },
    { channels: ['a', 'b'], cursor: 'c1', wait: 25 },
  ])
  assert.deepEqual(heard.of('publication')[0]?.publication.data, { n: 1 })
})

test('a short poll asks again after its interval, and never waits', async (t) => {
  const waits: unknown[] = []
  const { url } = await startHttp(t, (request, response) => {
    void readBody(request).then((body) => {
      waits.push((body as { wait: unknown }).wait)
      answerJson(response, { cursor: 'c', publications: [] })
    })
  })
  const clock = new FakeClock()
  const heard = new HeardEvents()
  const transport = new LongPollTransport(shortPollPace, clock)
  assert.equal(transport.name, 'short-poll')
  const connection = transport.open({ url, token, channels: ['a'] }, heard.take)
  t.after(() => connection.close())
  await heard.next('welcome')
  await until(() => clock.delays.includes(1_000))
  clock.advance(1_000)
  await heard.next('wire', 4)
  assert.deepEqual(waits, [0, 0])
})

test('a gap that an answer reports is heard before the publications after it', async (t) => {
  const { url } = await startHttp(t, (request, response) => {
    request.resume()
    answerJson(response, {
      cursor: 'c',
      publications: [{ channel: 'a', time: 5, data: 1 }],
      gaps: [{ channel: 'a', reason: 'other_node' }],
      recovered: { a: false },
    })
  })
  const heard = new HeardEvents()
  const transport = new LongPollTransport(shortPollPace, new FakeClock())
  const request = { url, token, channels: ['a'], cursor: 'old' }
  const connection = transport.open(request, heard.take)
  t.after(() => connection.close())
  await heard.next('publication')
  const types = heard.all.map((event) => event.type).filter((type) => type !== 'wire')
  assert.deepEqual(types.slice(0, 4), ['welcome', 'recovered', 'gap', 'publication'])
  assert.equal(heard.of('gap')[0]?.reason, 'other_node')
  assert.deepEqual(heard.of('recovered')[0], { type: 'recovered', channel: 'a', recovered: false })
})

/** What is heard, without the wire, of a short poll whose answers are these. */
async function hearAnswers(t: TestContext, answers: readonly object[], last?: number) {
  const bodies: unknown[] = []
  const { url } = await startHttp(t, (request, response) => {
    void readBody(request).then((body) => {
      const answer = answers[bodies.push(body) - 1]
      if (answer !== undefined) answerJson(response, answer, 'cursor' in answer ? 200 : 204)
    })
  })
  const clock = new FakeClock()
  const heard = new HeardEvents()
  const transport = new LongPollTransport({ waitSeconds: 1, intervalMs: 0 }, clock)
  const request = { url, token, channels: ['a'], ...(last !== undefined && { last }) }
  const connection = transport.open(request, heard.take)
  t.after(() => connection.close())
  const news = () => heard.all.filter(({ type }) => type !== 'wire')
  return { heard, news, bodies, connection }
}

test('a gap is heard at its place among the publications of its channel', async (t) => {
  const of = (channel: string, offset: number, previous: number) => {
    return { channel, offset, previous, time: 5, data: offset }
  }
  const { heard, news } = await hearAnswers(t, [
    {
      cursor: 'c',
      publications: [of('b', 50, 0), of('a', 3, 0), of('a', 4, 3), of('a', 9, 7)],
      gaps: [{ channel: 'a', reason: 'recovery_limit', after: 4, before: 8 }],
      recovered: {},
    },
  ])
  await heard.next('publication', 4)
  const order = news().map((event) => {
    return event.type === 'publication' ? event.publication.data : event.type
  })
  assert.deepEqual(order, ['welcome', 50, 3, 4, 'gap', 9])
})

test('what ended is told once, and 204 says that there is nothing to come back for', async (t) => {
  const { news, heard, bodies } = await hearAnswers(
    t,
    [
      { cursor: 'c1', publications: [], ended: ['a'], recovered: { a: true } },
      { cursor: 'c2', publications: [], ended: ['a'], recovered: { a: true } },
      {},
    ],
    7,
  )
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['ended', false])
  const types = news().map(({ type }) => type)
  assert.deepEqual(types, ['welcome', 'recovered', 'ended', 'closed'])
  assert.deepEqual(bodies[0], { channels: ['a'], last: 7, wait: 0 })
})

test('an answer in which something is missing ends it, to be asked for again', async (t) => {
  const of = (offset: number, previous: number) => ({ channel: 'a', offset, previous, time: 5 })
  const { news, heard, connection } = await hearAnswers(t, [
    { cursor: 'c1', publications: [of(3, 0)] },
    { cursor: 'c2', publications: [of(3, 0), of(9, 7)] },
  ])
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['chain_broken', true])
  assert.equal(connection.cursor, 'c1')
  assert.deepEqual(
    news().map(({ type }) => type),
    ['welcome', 'publication', 'closed'],
  )
})

const refusals = [
  { status: 503, code: 'overloaded', retryable: true, retryAfter: '3', retryAfterMs: 3_000 },
  { status: 429, code: 'rate_limited', retryable: true },
  { status: 401, code: 'token_expired', retryable: true },
  { status: 401, code: 'token_invalid', retryable: false },
  { status: 403, code: 'forbidden', retryable: false },
  { status: 404, code: 'unknown_namespace', retryable: false },
] as const

for (const { status, code, retryable, ...wait } of refusals) {
  const policy = retryable ? 'may be tried again' : 'is for the application'
  test(`a poll refused with ${status} ${code} ${policy}`, async (t) => {
    const { url } = await startHttp(t, (request, response) => {
      request.resume()
      answerJson(response, { code, detail: 'why' }, status, 'retryAfter' in wait ? '3' : undefined)
    })
    const heard = new HeardEvents()
    const transport = new LongPollTransport(longPollPace, new FakeClock())
    transport.open({ url, token, channels: ['a'] }, heard.take)
    const closed = await heard.next('closed')
    const expected = { type: 'closed', code, message: 'why', retryable }
    const after = 'retryAfterMs' in wait ? { retryAfterMs: wait.retryAfterMs } : {}
    assert.deepEqual(closed, { ...expected, ...after })
  })
}

test('a poll that is never answered is given up after its wait and a grace', async (t) => {
  const { url, server } = await startHttp(t, (request) => request.resume())
  const clock = new FakeClock()
  const heard = new HeardEvents()
  const transport = new LongPollTransport(longPollPace, clock)
  transport.open({ url, token, channels: ['a'] }, heard.take)
  await once(server, 'request')
  clock.advance(15_000)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('close() aborts the request that is waiting, and nothing more is heard', async (t) => {
  const { url, server } = await startHttp(t, (request) => request.resume())
  const heard = new HeardEvents()
  const transport = new LongPollTransport(longPollPace, new FakeClock())
  const connection = transport.open({ url, token, channels: ['a'] }, heard.take)
  const [request] = (await once(server, 'request')) as [IncomingMessage]
  const aborted = once(request.socket, 'close')
  connection.close()
  await aborted
  assert.deepEqual(heard.of('closed'), [])
})

test('without a token there is no connection, and coming back makes sense', async () => {
  const heard = new HeardEvents()
  const failing = () => Promise.reject(new Error('signed out'))
  const request = { url: 'http://127.0.0.1:1', token: failing, channels: ['a'] }
  new LongPollTransport(longPollPace, new FakeClock()).open(request, heard.take)
  const closed = await heard.next('closed')
  assert.equal(closed.code, 'token_unavailable')
  assert.equal(closed.retryable, true)
})
