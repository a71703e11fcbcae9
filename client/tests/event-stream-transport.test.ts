/** What an event stream says, and how far it has got. */
import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { Progress } from '../progress.js'
import { epoch } from './played-socket.js'
import {
  connect,
  publication,
  serve,
  wanted,
  welcome,
  welcomed,
  type Asked,
} from './played-stream.js'
import { until } from './until.js'

test('the token travels in a header, and what is asked for in the body', async (t) => {
  const { asked } = await connect(t, { last: 5 })
  const [{ request, body }] = asked as [Asked]
  assert.deepEqual([request.method, request.url], ['POST', '/v1/events'])
  assert.equal(request.headers.authorization, 'bearer secret')
  assert.equal(request.headers.accept, 'text/event-stream')
  assert.equal(request.headers['content-type'], 'application/json')
  assert.deepEqual(body, { channels: wanted, last: 5, positions: {} })
})

test('one cursor that covers all channels is shown as such, else a place for each', async (t) => {
  const progress = new Progress()
  progress.moveTo('c1', wanted)
  const first = await connect(t, { progress })
  assert.deepEqual(first.asked[0]?.body, { channels: wanted, cursor: 'c1' })
  progress.resume('b', { epoch, offset: 7 })
  const second = await connect(t, { progress, channels: ['a', 'b', 'new'] })
  assert.deepEqual(second.asked[0]?.body, {
    channels: ['a', 'b', 'new'],
    positions: { a: 'c1', b: { epoch, offset: 7 } },
  })
})

test('a channel that is to begin anew is not covered by the cursor of the others', async (t) => {
  const progress = new Progress()
  progress.moveTo('c1', ['a'])
  const { asked } = await connect(t, { progress })
  assert.deepEqual(asked[0]?.body, { channels: wanted, positions: { a: 'c1' } })
})

test('welcome, publications and gaps are heard, and the id is the place', async (t) => {
  const { heard, progress, say } = await connect(t)
  say(welcome)
  say('id: c2\ndata: {"channel":"a","time":5,\ndata: "data":{"n":1}}\n\n')
  say('event: gap\ndata: {"channel":"b","reason":"slow_consumer"}\n\n')
  await heard.next('ready')
  assert.deepEqual((await heard.next('publication')).publication.data, { n: 1 })
  assert.deepEqual(await heard.next('gap'), { type: 'gap', channel: 'b', reason: 'slow_consumer' })
  assert.deepEqual(
    heard.all.map(({ type }) => type),
    ['welcome', 'subscribed', 'subscribed', 'ready', 'publication', 'gap'],
  )
  assert.deepEqual(
    wanted.map((name) => progress.place(name)),
    ['c2', 'c2'],
  )
})

test('PROTOCOL 6.4: a heartbeat is a bare id: it moves the place of all channels', async (t) => {
  const { heard, progress, say } = await welcomed(t)
  assert.equal(progress.place('a'), 'c0')
  say('id: c7\n\n')
  await until(() => progress.place('a') === 'c7')
  assert.equal(progress.place('b'), 'c7')
  assert.deepEqual(heard.of('publication'), [])
})

test('PROTOCOL 6.5: who is cut off between the gaps of a welcome hears them again', async (t) => {
  const progress = new Progress()
  progress.moveTo('old', wanted)
  const { heard, say } = await connect(t, { progress })
  say(welcome.replace('id: c0\n', ''))
  say('event: gap\ndata: {"channel":"a","reason":"other_node"}\n\n')
  await heard.next('gap')
  assert.deepEqual(
    wanted.map((name) => progress.place(name)),
    ['old', 'old'],
  )
  say('event: gap\nid: c1\ndata: {"channel":"b","reason":"other_node"}\n\n')
  await heard.next('gap', 2)
  assert.deepEqual(
    wanted.map((name) => progress.place(name)),
    ['c1', 'c1'],
  )
})

test('a gap has its bounds', async (t) => {
  const { heard, say } = await welcomed(t)
  say('event: gap\ndata: {"channel":"b","after":12,"before":40,"reason":"expired"}\n\n')
  const bounds = { after: 12, before: 40, reason: 'expired' }
  assert.deepEqual(await heard.next('gap'), { type: 'gap', channel: 'b', ...bounds })
})

test('PROTOCOL 14.6: a history made anew is heard from its beginning', async (t) => {
  const { heard, progress, say } = await welcomed(t)
  say(publication('c1', 90))
  const gap = { channel: 'a', after: 90, reason: 'new_epoch', epoch, offset: 0 }
  say(`event: gap\nid: c2\ndata: ${JSON.stringify(gap)}\n\n`)
  say(publication('c3', 1))
  await heard.next('publication', 2)
  assert.equal(progress.place('a'), 'c3')
})

test('a publication that comes again is heard once', async (t) => {
  const { heard, progress, say } = await welcomed(t)
  say(publication('c1', 7))
  say(publication('c2', 7))
  say(publication('c3', 9, { previous: 7 }))
  await heard.next('publication', 2)
  assert.deepEqual(
    heard.of('publication').map(({ publication: { data } }) => data),
    [7, 9],
  )
  assert.equal(progress.place('a'), 'c3')
})

test('where something is missing the stream ends, at the place before', async (t) => {
  const { heard, progress, say } = await welcomed(t)
  say(publication('c1', 7))
  say(publication('c2', 12, { previous: 9 }))
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['chain_broken', true])
  assert.equal(progress.place('a'), 'c1')
  assert.equal(heard.of('publication').length, 1)
})

test('what cannot be read ends the stream, at the place before', async (t) => {
  const { heard, progress, say } = await welcomed(t)
  say('id: c9\ndata: <html>\n\n')
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['protocol_error', true])
  assert.equal(progress.place('a'), 'c0')
})

test('who closes as a publication is heard has got that one, and no other', async (t) => {
  const { progress, open, asked } = await serve(t)
  const { heard, connection } = open({}, () => {
    if (heard.of('publication').length > 0) connection.close()
  })
  await until(() => asked.length > 0)
  asked[0]?.response.write(welcome + publication('c1', 7) + publication('c2', 8))
  await heard.next('publication')
  assert.equal(progress.place('a'), 'c1')
  assert.equal(heard.of('publication').length, 1)
})

test('when all channels have ended there is nothing to come back for', async (t) => {
  const { heard, say } = await welcomed(t)
  say('event: ended\nid: c1\ndata: {"channel":"b"}\n\n')
  assert.deepEqual(await heard.next('ended'), { type: 'ended', channel: 'b' })
  assert.deepEqual(heard.of('closed'), [])
  say('event: ended\nid: c2\ndata: {"channel":"a"}\n\n')
  const closed = await heard.next('closed')
  assert.deepEqual([closed.code, closed.retryable], ['ended', false])
})

test('events that it does not know are nothing to it', async (t) => {
  const { heard, say } = await welcomed(t)
  const before = heard.all.length
  say('event: tomorrow\ndata: {"channel":"a"}\n\n')
  say(publication('c1', 7))
  await heard.next('publication')
  assert.equal(heard.all.length, before + 1)
})

test('who was there by WebSocket has missed something of an ephemeral channel', async (t) => {
  const progress = new Progress()
  progress.beginEphemeral('b')
  const { heard } = await welcomed(t, { progress })
  assert.deepEqual(heard.of('gap'), [{ type: 'gap', channel: 'b', reason: 'not_subscribed' }])
  const again = await welcomed(t, { progress })
  assert.deepEqual(again.heard.of('gap'), [], 'its cursor covers it now')
})

test('a request names 16 channels, of the others it says that there is no room', async (t) => {
  const channels = Array.from({ length: 18 }, (_, at) => `n.${at}`)
  const { heard, asked } = await welcomed(t, { channels })
  await heard.next('ready')
  assert.deepEqual((asked[0]?.body as { channels: unknown }).channels, channels.slice(0, 16))
  assert.deepEqual(
    heard.of('problem').map(({ code, channel }) => [code, channel]),
    ['n.16', 'n.17'].map((name) => ['too_many_subscriptions', name]),
  )
})

test('it reads the same, wherever a network cuts it', async (t) => {
  const bytes = Buffer.from(
    welcome +
      publication('c1', 7, { data: 'žluťoučký 🐎' }) +
      'id: c2\n\n' +
      'event: gap\ndata: {"channel":"b","reason":"other_node"}\n\n' +
      publication('c3', 8).replaceAll('\n', '\r\n'),
  )
  let places: readonly number[] = []
  const { open } = await serve(t, (response) => {
    response.socket?.setNoDelay(true)
    void writeCut(response, bytes, places)
  })
  const at = fc.integer({ min: 1, max: bytes.length - 1 })
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(at, { maxLength: 6 }), async (cuts) => {
      places = cuts.sort((a, b) => a - b)
      const progress = new Progress()
      const { heard } = open({ progress })
      await heard.next('closed')
      const data = heard.of('publication').map((event) => event.publication.data)
      assert.deepEqual(data, ['žluťoučký 🐎', 8])
      assert.equal(heard.of('gap').length, 1)
      assert.equal(progress.place('b'), 'c3')
    }),
    { seed: 5, numRuns: 50 },
  )
})

/** Each piece is on its way before the next is written. */
async function writeCut(response: ServerResponse, bytes: Buffer, places: readonly number[]) {
  let from = 0
  for (const to of [...places, bytes.length]) {
    await new Promise((resolve) => response.write(bytes.subarray(from, to), resolve))
    from = to
  }
  response.end()
}
