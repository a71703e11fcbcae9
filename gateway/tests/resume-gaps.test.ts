/** Where a cursor cannot be continued a gap says so, on polls and streams alike; else none. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { channelHash, decodeCursor, encodeCursor } from '../../shared/cursor.js'
import { TestStream } from './event-stream-client.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway, type TestGatewayOptions } from './harness.js'
import { poll, type PollAnswer } from './http-client.js'
import { askOnce, problemOf } from './http-connection.js'
import { SwitchBroker } from './switch-broker.js'
import { mint } from './tokens.js'

interface Scene extends TestGateway {
  readonly t: TestContext
  readonly clock: FakeClock
  readonly token: string
}

async function begin(t: TestContext, options: TestGatewayOptions = {}): Promise<Scene> {
  const clock = new FakeClock()
  const exp = Math.floor(clock.now() / 1000) + 3500
  const token = mint({ exp, subscribe: ['>'] })
  // No heartbeat of a stream comes between.
  return {
    t,
    clock,
    token,
    ...(await startTestGateway(t, { clock, random: () => 0.99, ...options })),
  }
}

async function publish({ broker }: TestGateway, channel: string, ...texts: unknown[]) {
  for (const text of texts) await broker.publish(`rt.pub.${channel}`, Buffer.from(String(text)), {})
}

async function cursorOf({ http, token }: Scene, channels: string): Promise<string> {
  return (await poll(http, token, { channels, wait: '0' })).cursor
}

function dataOf({ publications }: PollAnswer): readonly unknown[] {
  return publications.map(({ data }) => data)
}

interface Resumed {
  readonly publications: readonly unknown[]
  /** `channel reason`, as the transport says them. */
  readonly gaps: readonly string[]
}

/** What each transport makes of the cursor; it must be the same, and `recovered` must fit. */
async function resumeAll(scene: Scene, channels: string, cursor: string): Promise<Resumed> {
  const { t, http, token, broker } = scene
  const { publications, gaps, recovered } = await poll(http, token, { channels, cursor, wait: '0' })
  const covered = decodeCursor(cursor)?.ephemeral?.channels ?? []
  for (const name of channels.split(',')) {
    const isCovered = covered.includes(channelHash(name))
    assert.equal(Object.hasOwn(recovered, name), isCovered, name)
    const hasGap = gaps.some(({ channel }) => channel === name)
    if (isCovered) assert.equal(recovered[name], !hasGap, name)
    else assert.ok(!hasGap, `a gap of ${name}, which begins now`)
  }
  const expected = {
    publications: publications.map(({ data }) => data),
    gaps: gaps.map(({ channel, reason }) => `${channel} ${reason}`),
  }
  for (const way of ['header', 'query']) {
    // One name more, which the cursor does not cover, tells where the stream has come to its end.
    const query = { channels: `${channels},end`, token, ...(way === 'query' ? { cursor } : {}) }
    const headers: Record<string, string> = way === 'header' ? { 'last-event-id': cursor } : {}
    const stream = await TestStream.open(t, http, query, headers)
    await stream.next('welcome')
    await broker.publish('rt.pub.end', Buffer.from('0'), {})
    await until('the end', () => stream.events.at(-1)?.data.includes('"end"') === true)
    stream.cut()
    const events = stream.events.slice(1, -1)
    const heard = events.filter(({ event }) => event === 'message')
    const said = events.filter(({ event }) => event === 'gap').map(({ data }) => JSON.parse(data))
    const streamed = {
      publications: heard.map(({ data }) => (JSON.parse(data) as { data: unknown }).data),
      gaps: said.map(({ channel, reason }) => `${channel} ${reason}`),
    }
    assert.deepEqual(streamed, expected)
  }
  return expected
}

test('within the linger nothing is missed, after it is a gap (PROTOCOL 7.5)', async (t) => {
  const scene = await begin(t)
  const early = await cursorOf(scene, 'news')
  await publish(scene, 'news', 1)
  scene.clock.advance(29_000)
  assert.deepEqual(await resumeAll(scene, 'news', early), { publications: [1], gaps: [] })
  await until('the streams are gone', () => scene.counters.connections.sse === 0)
  scene.clock.advance(32_000)
  const gaps = ['news cursor_expired']
  assert.deepEqual(await resumeAll(scene, 'news', early), { publications: [], gaps })
})

test('a poll that waits longer than the linger keeps what it needs (PROTOCOL 7.5)', async (t) => {
  const scene = await begin(t)
  const { http, token, clock, counters } = scene
  const cursor = await cursorOf(scene, 'news')
  const answer = poll(http, token, { channels: 'news', cursor, wait: '55' })
  await until('it waits', () => counters.connections.poll === 1)
  clock.advance(50_000)
  await publish(scene, 'news', 1)
  const { cursor: next } = await answer
  clock.advance(20_000)
  await publish(scene, 'news', 2)
  const last = await poll(http, token, { channels: 'news', cursor: next, wait: '0' })
  assert.deepEqual([dataOf(last), last.recovered], [[2], { news: true }])
})

test('a ring outrun by count is a gap, one that was not is none (PROTOCOL 7.5)', async (t) => {
  const scene = await begin(t, { hubLimits: { ringCountMax: 10 } })
  const cursor = await cursorOf(scene, 'news')
  const numbers = Array.from({ length: 10 }, (_, at) => at)
  await publish(scene, 'news', ...numbers)
  const { http, token } = scene
  const whole = await poll(http, token, { channels: 'news', cursor })
  assert.deepEqual([dataOf(whole), whole.gaps], [numbers, []])
  await publish(scene, 'news', 10)
  const outrun = await resumeAll(scene, 'news', cursor)
  const kept = [...numbers.slice(1), 10]
  assert.deepEqual(outrun, { publications: kept, gaps: ['news cursor_expired'] })
  // Who was further on has lost nothing.
  const later = await poll(http, token, { channels: 'news', cursor: whole.cursor })
  assert.deepEqual([later.recovered, later.gaps], [{ news: true }, []])
})

test('a ring that was outrun by bytes is a gap (PROTOCOL 7.5)', async (t) => {
  const scene = await begin(t, { hubLimits: { ringBytesMax: 10_000 } })
  const large = `"${'x'.repeat(1500)}"`
  const cursor = await cursorOf(scene, 'news,chat.7')
  await publish(scene, 'news', large)
  const kept = await resumeAll(scene, 'news', cursor)
  assert.deepEqual(kept.gaps, [])
  await publish(scene, 'news', large, large, large, large, large, large, large)
  await publish(scene, 'chat.7', 1)
  const outrun = await resumeAll(scene, 'chat.7,news', cursor)
  const last = JSON.parse(large) as unknown
  assert.deepEqual(outrun, { publications: [last, 1], gaps: ['news cursor_expired'] })
})

test('a ring that made room for others is a gap (PROTOCOL 7.6)', async (t) => {
  const scene = await begin(t, { hubLimits: { ringsBytesMax: 15_000 } })
  const old = await cursorOf(scene, 'news')
  await publish(scene, 'news', 1)
  const busy = await cursorOf(scene, 'chat.7')
  await publish(scene, 'chat.7', `"${'x'.repeat(3590)}"`, 2)
  assert.equal(scene.hub.rings.evictions, 1)
  const kept = await poll(scene.http, scene.token, { channels: 'chat.7', cursor: busy })
  assert.deepEqual([kept.publications.length, kept.recovered], [2, { 'chat.7': true }])
  const gone = await resumeAll(scene, 'news', old)
  assert.deepEqual(gone, { publications: [], gaps: ['news cursor_expired'] })
})

test('a cursor of another node, or of another run of it, is a gap (PROTOCOL 7.6)', async (t) => {
  const scene = await begin(t)
  const other = await begin(t)
  const cursor = await cursorOf(other, 'news')
  const resumed = await resumeAll(scene, 'news,chat.7', cursor)
  assert.deepEqual(resumed, { publications: [], gaps: ['news other_node'] })
  assert.notEqual(scene.gateway.nodeId, other.gateway.nodeId)
})

test('while nobody listened the node was deaf: a gap (PROTOCOL 7.6)', async (t) => {
  const scene = await begin(t, { hubLimits: { lingeringMax: 0 } })
  const { hub, clock, http, token, counters } = scene
  const cursor = await cursorOf(scene, 'news')
  assert.equal(hub.interestCount, 0)
  await publish(scene, 'news', '"unheard"')
  const gaps = ['news cursor_expired']
  assert.deepEqual(await resumeAll(scene, 'news', cursor), { publications: [], gaps })
  // So it is if somebody else has begun to listen since, with a cursor or without.
  await until('the streams are gone', () => hub.interestCount === 0)
  const held = await TestStream.welcomed(t, http, { channels: 'news', token })
  assert.deepEqual(await resumeAll(scene, 'news', cursor), { publications: [], gaps })
  held.cut()
  await until('it is gone', () => counters.connections.sse === 0)
  clock.advance(60_000)
  assert.deepEqual(await resumeAll(scene, 'news', cursor), { publications: [], gaps })
})

test('after one that was too large cursors go on behind the gap (PROTOCOL 5.6, 7.6)', async (t) => {
  const scene = await begin(t, { hubLimits: { publicationBytesMax: 10 } })
  const cursor = await cursorOf(scene, 'news')
  await publish(scene, 'news', 1, '"0123456789"', 2, 3)
  const broken = { publications: [2, 3], gaps: ['news too_large'] }
  assert.deepEqual(await resumeAll(scene, 'news', cursor), broken)
  // Nothing of it comes again to who has it.
  const { http, token } = scene
  const { cursor: next } = await poll(http, token, { channels: 'news', cursor, wait: '0' })
  await publish(scene, 'news', 4)
  assert.deepEqual(await resumeAll(scene, 'news', next), { publications: [4], gaps: [] })
})

test('after an outage cursors go on behind the gap (PROTOCOL 7.6, 10.6)', async (t) => {
  const broker = new SwitchBroker()
  const scene = await begin(t, { broker })
  const cursor = await cursorOf(scene, 'chat.7,news')
  await publish(scene, 'news', 1)
  await publish(scene, 'chat.7', 2)
  broker.disconnect()
  await publish(scene, 'news', 3)
  broker.connect()
  await publish(scene, 'chat.7', 4)
  await publish(scene, 'news', 5, 6)
  const gaps = ['chat.7 broker_disconnected', 'news broker_disconnected']
  const resumed = await resumeAll(scene, 'chat.7,news', cursor)
  assert.deepEqual(resumed, { publications: [4, 5, 6], gaps })
})

test('a channel that is new in the request begins now, without a gap (PROTOCOL 7.6)', async (t) => {
  const scene = await begin(t)
  const held = await cursorOf(scene, 'chat.7,stocks.*')
  const cursor = await cursorOf(scene, 'news')
  await publish(scene, 'news', 1)
  await publish(scene, 'chat.7', 2)
  await publish(scene, 'stocks.A', 3)
  const added = await resumeAll(scene, 'news,chat.7,stocks.*', cursor)
  assert.deepEqual(added, { publications: [1], gaps: [] })
  // A pattern covers itself, and none of the channels that match it.
  assert.deepEqual(await resumeAll(scene, 'stocks.A', held), { publications: [], gaps: [] })
  assert.deepEqual(await resumeAll(scene, 'stocks.*', held), { publications: [3], gaps: [] })
})

test('one channel may have a gap while another goes on (PROTOCOL 6.5, 7.6)', async (t) => {
  const scene = await begin(t, { hubLimits: { ringCountMax: 2 } })
  const cursor = await cursorOf(scene, 'chat.7,news,stocks.A')
  await publish(scene, 'chat.7', 1, 2, 3)
  await publish(scene, 'news', 4, 5)
  await publish(scene, 'stocks.A', 6, 7, 8)
  const { publications, gaps } = await resumeAll(scene, 'chat.7,news,stocks.A', cursor)
  assert.deepEqual(publications, [2, 3, 4, 5, 7, 8])
  assert.deepEqual(gaps, ['chat.7 cursor_expired', 'stocks.A cursor_expired'])
})

test('who is cut off before the last gap hears of all of them again (PROTOCOL 6.5)', async (t) => {
  const scene = await begin(t, { hubLimits: { ringCountMax: 2 } })
  const { http, token } = scene
  const cursor = await cursorOf(scene, 'chat.7,news,stocks.A')
  await publish(scene, 'chat.7', 1, 2, 3)
  await publish(scene, 'news', 4)
  await publish(scene, 'stocks.A', 5, 6, 7)
  const query = { channels: 'chat.7,news,stocks.A', token }
  const stream = await TestStream.open(t, http, query, { 'last-event-id': cursor })
  const events = [await stream.next('welcome'), await stream.next('gap'), await stream.next('gap')]
  assert.deepEqual(
    events.map(({ id }) => id !== undefined),
    [false, false, true],
  )
  for (const data of [2, 3, 4, 6, 7]) assert.equal((await stream.publication())['data'], data)
  // After the last of them a gap may be said twice, and what follows it is not lost.
  const last = { 'last-event-id': events[2]?.id ?? '' }
  const again = await TestStream.welcomed(t, http, query, last)
  await until('what follows', () => again.events.at(-1)?.data.endsWith('"data":7}') === true)
  const followed = again.events.filter(({ event }) => event === 'message')
  assert.deepEqual(
    followed.map(({ data }) => (JSON.parse(data) as { data: unknown }).data),
    [2, 3, 4, 6, 7],
  )
  assert.ok(again.events.filter(({ event }) => event === 'gap').length < 2)
})

test('a cursor from the future or of no channel does no harm (PROTOCOL 7.6)', async (t) => {
  const scene = await begin(t)
  const node = scene.gateway.nodeId
  const channels = [channelHash('news')]
  for (const arrival of [1_000_000, Number.MAX_SAFE_INTEGER]) {
    const future = encodeCursor({ ephemeral: { node, arrival, channels } })
    const resumed = await resumeAll(scene, 'news', future)
    assert.deepEqual(resumed, { publications: [], gaps: ['news cursor_expired'] })
  }
  for (const cursor of [
    encodeCursor({}),
    encodeCursor({ ephemeral: { node, arrival: 0, channels: [] } }),
  ]) {
    assert.deepEqual(await resumeAll(scene, 'news', cursor), { publications: [], gaps: [] })
  }
})

test('a cursor that cannot be read is 400 (PROTOCOL 6.5, 7.6, 13.4)', async (t) => {
  const scene = await begin(t)
  const { port, token } = scene
  const good = await cursorOf(scene, 'news')
  const flipped = `${good.slice(0, 9)}${good[9] === 'A' ? 'B' : 'A'}${good.slice(10)}`
  const cursors = ['x', good.slice(0, -1), `${good}A`, flipped, 'A'.repeat(513), `${good}=`, '{}']
  const headers = { authorization: `Bearer ${token}` }
  const stream = { ...headers, accept: 'text/event-stream' }
  const path = '/v1/events?channels=news&wait=0'
  for (const cursor of cursors) {
    const inQuery = `${path}&cursor=${encodeURIComponent(cursor)}`
    const body = JSON.stringify({ channels: ['news'], wait: 0, cursor })
    const questions = [
      { path: inQuery, headers },
      { path: inQuery, headers: stream },
      { path, headers: { ...stream, 'last-event-id': cursor } },
      { method: 'POST', headers, body },
    ]
    for (const question of questions) {
      const answer = await askOnce(t, port, question)
      assert.deepEqual([answer.status, problemOf(answer).code], [400, 'bad_request'], cursor)
    }
  }
})

test('Last-Event-ID counts more than the cursor of the address (PROTOCOL 6.5)', async (t) => {
  const scene = await begin(t)
  const { http, token } = scene
  const old = await cursorOf(scene, 'news')
  await publish(scene, 'news', 1)
  const newer = await cursorOf(scene, 'news')
  await publish(scene, 'news', 2)
  const query = { channels: 'news', token, cursor: old }
  const stream = await TestStream.welcomed(t, http, query, { 'last-event-id': newer })
  assert.equal((await stream.publication())['data'], 2)
  const empty = await TestStream.welcomed(t, http, query, { 'last-event-id': '' })
  assert.equal((await empty.publication())['data'], 1)
})

test('a channel with the name of a member of every object is one like any other', async (t) => {
  const scene = await begin(t)
  const channels = '__proto__,constructor,toString'
  const cursor = await cursorOf(scene, channels)
  await publish(scene, '__proto__', 1)
  const answer = await poll(scene.http, scene.token, { channels, cursor, wait: '0' })
  assert.deepEqual(dataOf(answer), [1])
  const recovered = Object.entries(answer.recovered)
  assert.deepEqual(recovered.sort(), [
    ['__proto__', true],
    ['constructor', true],
    ['toString', true],
  ])
})
