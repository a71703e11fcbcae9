/** Event streams against a real HTTP server, read by the npm package `eventsource`. */
import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test, type TestContext } from 'node:test'
import { EventStreamTransport } from '../event-stream-transport.js'
import { FakeClock } from './fake-clock.js'
import { HeardEvents } from './heard-events.js'
import { startHttp } from './http-server.js'
import { openNodeStream } from './node-transports.js'
import { until } from './until.js'

interface Asked {
  readonly url: URL
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

async function connect(t: TestContext, status = 200, cursor?: string, last?: number) {
  const asked: Asked[] = []
  const { url } = await startHttp(t, (request, response) => {
    response.writeHead(status, { 'content-type': 'text/event-stream' })
    response.write('retry: 1\n\n')
    asked.push({ url: new URL(request.url ?? '/', 'http://gateway'), request, response })
  })
  const clock = new FakeClock()
  const heard = new HeardEvents()
  const transport = new EventStreamTransport(clock, openNodeStream)
  const token = () => Promise.resolve('secret')
  const request = {
    url,
    token,
    channels: ['a', 'b'],
    ...(cursor !== undefined && { cursor }),
    ...(last !== undefined && { last }),
  }
  const connection = transport.open(request, heard.take)
  t.after(() => connection.close())
  await until(() => asked.length > 0)
  const say = (text: string) => asked.at(-1)?.response.write(text)
  return { asked, clock, heard, connection, say }
}

test('channels, token and cursor are in the query; the wire event hides the token', async (t) => {
  const { asked, heard } = await connect(t, 200, 'c1')
  const query = Object.fromEntries(asked[0]?.url.searchParams ?? [])
  assert.deepEqual(query, { channels: 'a,b', cursor: 'c1', token: 'secret' })
  assert.ok(heard.of('wire').every((event) => !event.text.includes('secret')))
})

test('welcome, publications and gaps are heard, and the id is the cursor', async (t) => {
  const { heard, connection, say } = await connect(t)
  say('event: welcome\ndata: {"subscriptions":["a","b"]}\n\n')
  say('id: c2\ndata: {"channel":"a","time":5,\ndata: "data":{"n":1}}\n\n')
  say('event: gap\ndata: {"channel":"b","reason":"slow_consumer"}\n\n')
  await heard.next('welcome')
  assert.deepEqual((await heard.next('publication')).publication.data, { n: 1 })
  assert.deepEqual(await heard.next('gap'), { type: 'gap', channel: 'b', reason: 'slow_consumer' })
  assert.equal(connection.cursor, 'c2')
})

test('the newest so many are asked for, and a gap has its bounds', async (t) => {
  const { asked, heard, say } = await connect(t, 200, undefined, 5)
  assert.equal(asked[0]?.url.searchParams.get('last'), '5')
  say('event: gap\ndata: {"channel":"b","after":12,"before":40,"reason":"expired"}\n\n')
  const bounds = { after: 12, before: 40, reason: 'expired' }
  assert.deepEqual(await heard.next('gap'), { type: 'gap', channel: 'b', ...bounds })
})

test('a publication that comes again is heard once', async (t) => {
  const { heard, connection, say } = await connect(t)
  say('id: c1\ndata: {"channel":"a","offset":7,"time":5,"data":1}\n\n')
  say('id: c2\ndata: {"channel":"a","offset":7,"time":5,"data":1}\n\n')
  say('id: c3\ndata: {"channel":"a","offset":9,"previous":7,"time":5,"data":2}\n\n')
  await heard.next('publication', 2)
  assert.deepEqual(
    heard.of('publication').map(({ publication }) => publication.data),
    [1, 2],
  )
  assert.equal(connection.cursor, 'c3')
})

test('where something is missing the stream ends, at the cursor before', async (t) => {
  const { heard, connection, say } = await connect(t)
  say('id: c1\ndata: {"channel":"a","offset":7,"time":5,"data":1}\n\n')
  say('id: c2\ndata: {"channel":"a","offset":12,"previous":9,"time":5,"data":2}\n\n')
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['chain_broken', true])
  assert.equal(connection.cursor, 'c1')
  assert.equal(heard.of('publication').length, 1)
})

test('when all channels have ended there is nothing to come back for', async (t) => {
  const { heard, say } = await connect(t)
  say('event: welcome\ndata: {"subscriptions":["a","b"]}\n\n')
  say('event: ended\nid: c1\ndata: {"channel":"b"}\n\n')
  assert.deepEqual(await heard.next('ended'), { type: 'ended', channel: 'b' })
  assert.deepEqual(heard.of('closed'), [])
  say('event: ended\nid: c2\ndata: {"channel":"a"}\n\n')
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['ended', false])
})

test('after a problem the EventSource comes back by itself, with its last id', async (t) => {
  const { asked, heard, say } = await connect(t)
  say('event: welcome\ndata: {"subscriptions":["a"]}\n\n')
  say('id: c3\ndata: {"channel":"a","time":5,"data":1}\n\n')
  say('event: problem\ndata: {"code":"draining","detail":"leaving"}\n\n')
  asked[0]?.response.end()
  const problem = await heard.next('problem')
  assert.deepEqual(problem, { type: 'problem', code: 'draining', message: 'leaving' })
  await until(() => asked.length === 2)
  assert.equal(asked[1]?.request.headers['last-event-id'], 'c3')
  assert.deepEqual(heard.of('closed'), [])
})

test('an expired token ends the stream, because the EventSource would show it again', async (t) => {
  const { heard, say } = await connect(t)
  say('event: problem\ndata: {"code":"token_expired","detail":"too late"}\n\n')
  const closed = await heard.next('closed')
  assert.equal(closed.code, 'token_expired')
  assert.equal(closed.retryable, true)
})

test('an answer that an EventSource gives up on may be tried again with a new token', async (t) => {
  const { heard } = await connect(t, 401)
  const closed = await heard.next('closed')
  assert.equal(closed.code, 'connection_lost')
  assert.equal(closed.retryable, true)
})

test('a stream that opens without a welcome is given up after 10 s', async (t) => {
  const { clock, heard } = await connect(t)
  await until(() => clock.delays.length === 1)
  clock.advance(10_000)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('close() ends the stream, and nothing more is heard', async (t) => {
  const { asked, heard, connection } = await connect(t)
  connection.close()
  await until(() => asked[0]?.request.socket.destroyed === true)
  assert.deepEqual(heard.of('closed'), [])
})
