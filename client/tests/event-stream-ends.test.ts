/** How an event stream ends, or does not begin; and who asks. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { connect, serve, welcome, welcomed, type Asked } from './played-stream.js'
import { until } from './until.js'

test('PROTOCOL 6.8: 204 says that they had all ended', async (t) => {
  const { open } = await serve(t, (response) => response.writeHead(204).end())
  const closed = await open().heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['ended', false])
})

test('PROTOCOL 6.6: why the stream ended, and when to come back, is its last word', async (t) => {
  const { heard, response, say } = await welcomed(t)
  say('retry: 4210\nevent: problem\ndata: {"code":"draining","detail":"leaving"}\n\n')
  response.end()
  assert.deepEqual(await heard.next('closed'), {
    ...{ type: 'closed', code: 'draining', message: 'leaving' },
    ...{ retryable: true, retryAfterMs: 4_210 },
  })
})

test('PROTOCOL 6.6: who is refused by a stream waits as it says', async (t) => {
  const { open } = await serve(t, (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end('retry: 12400\nevent: problem\ndata: {"code":"overloaded","detail":"full"}\n\n')
  })
  const { heard } = open()
  const closed = await heard.next('closed')
  assert.deepEqual(
    [closed.code, closed.retryable, closed.retryAfterMs],
    ['overloaded', true, 12_400],
  )
  assert.equal(heard.all.length, 1, 'no welcome')
})

test('a stream that ends without a word is opened again after its retry', async (t) => {
  const { heard, response, say } = await welcomed(t)
  say('retry: 1500\n\n')
  response.end()
  const closed = await heard.next('closed')
  assert.deepEqual(
    [closed.code, closed.retryable, closed.retryAfterMs],
    ['connection_lost', true, 1_500],
  )
})

test('a stream that breaks is a lost connection', async (t) => {
  const { heard, response } = await welcomed(t)
  response.destroy()
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['connection_lost', true])
})

for (const [status, code, retryable] of [
  [401, 'token_invalid', false],
  [403, 'forbidden', false],
  [400, 'bad_request', false],
  [502, 'http_502', true],
] as const) {
  test(`a stream refused with ${status} ${code} is closed with the code`, async (t) => {
    const { open } = await serve(t, (response) => {
      response.writeHead(status).end(JSON.stringify(status < 500 ? { code, detail: 'why' } : ''))
    })
    const closed = await open().heard.next('closed')
    assert.deepEqual([closed.code, closed.retryable], [code, retryable])
  })
}

test('a token that has expired is replaced at once', async (t) => {
  let tokens = 0
  const { open, asked } = await serve(
    t,
    (response, at) => {
      if (at > 1) response.end(welcome)
      else response.writeHead(401).end('{"code":"token_expired","detail":"too late"}')
    },
    () => `t${++tokens}`,
  )
  await open().heard.next('welcome')
  assert.deepEqual(
    asked.map(({ request }) => request.headers.authorization),
    ['bearer t1', 'bearer t2'],
  )
})

test('who was given a ticket comes back with it', async (t) => {
  const { open, asked } = await serve(t, (response) => {
    response.write(welcome.replace('{', '{"ticket":"q1","duplicateWindowSeconds":30,'))
  })
  for (const _ of [1, 2]) await open().heard.next('welcome')
  assert.equal(asked[1]?.request.headers.authorization, 'ticket q1')
})

test('a ticket that is refused is not shown again', async (t) => {
  const { open, asked } = await serve(t, (response, at) => {
    if (at === 2) response.writeHead(401).end('{"code":"token_expired","detail":"no"}')
    else response.write(welcome.replace('{', '{"ticket":"q1",'))
  })
  for (const _ of [1, 2]) await open().heard.next('welcome')
  assert.deepEqual(
    asked.map(({ request }) => request.headers.authorization),
    ['bearer secret', 'ticket q1', 'bearer secret'],
  )
})

test('a node that leaves says when another stream is to be there', async (t) => {
  const { heard, say } = await welcomed(t)
  say('event: reconnect\ndata: {"afterMs":1700}\n\n')
  assert.deepEqual(await heard.next('reconnect'), { type: 'reconnect', afterMs: 1_700 })
  assert.deepEqual(heard.of('closed'), [])
})

test('a stream whose headers do not come is given up after 15 s', async (t) => {
  const { asked, clock, open } = await serve(t, () => undefined)
  const { heard } = open()
  await until(() => asked.length > 0)
  clock.advance(15_000)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('a stream that a proxy holds back is given up after 10 s', async (t) => {
  const { clock, heard } = await connect(t)
  await until(() => clock.delays.includes(10_000))
  clock.advance(9_999)
  assert.deepEqual(heard.of('closed'), [])
  clock.advance(1)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('two heartbeats missed are a lost connection, and one that comes keeps it', async (t) => {
  const { clock, heard, progress, say } = await welcomed(t)
  clock.advance(59_000)
  say('id: c1\n\n')
  await until(() => progress.place('a') === 'c1')
  clock.advance(59_999)
  assert.deepEqual(heard.of('closed'), [])
  clock.advance(1)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('after a sleep it is there if something is heard within 5 s, else not', async (t) => {
  const { clock, heard, connection, progress, say } = await welcomed(t)
  connection.check()
  clock.advance(4_999)
  say('id: c1\n\n')
  await until(() => progress.place('a') === 'c1')
  clock.advance(50_000)
  assert.deepEqual(heard.of('closed'), [])
  connection.check()
  clock.advance(5_000)
  assert.equal((await heard.next('closed')).code, 'connection_silent')
})

test('close() ends the stream, and nothing more is heard', async (t) => {
  const { response, clock, heard, connection } = await welcomed(t)
  const gone = once(response, 'close')
  connection.close()
  await gone
  assert.deepEqual(heard.of('closed'), [])
  assert.deepEqual(clock.delays, [])
})

test('close() before the answer gives the request up', async (t) => {
  const { asked, clock, heard, connection } = await connect(t)
  const gone = once((asked[0] as Asked).response, 'close')
  connection.close()
  await gone
  assert.deepEqual(heard.of('closed'), [])
  assert.deepEqual(clock.delays, [])
})
