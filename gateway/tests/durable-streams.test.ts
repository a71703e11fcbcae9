/** Event streams of durable channels: what is told, with which cursor, and when they end. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { EventSource } from 'eventsource'
import { decodeCursor } from '../../shared/cursor.js'
import { positionInCursor } from '../../shared/cursor-positions.js'
import type { Position } from '../../shared/position.js'
import { openNodes } from './durable-nodes.js'
import { TestStream, type ReceivedEvent } from './event-stream-client.js'
import { FakeClock } from './fake-clock.js'
import { until, type TestGateway } from './harness.js'
import { mint } from './tokens.js'

const token = mint({ subscribe: ['>'] })
const last = { 'Tidegate-End': '1' }

function open(
  t: TestContext,
  { http }: TestGateway,
  channels: string,
  lastEventId = '',
  query: Readonly<Record<string, string>> = {},
): Promise<TestStream> {
  const headers = lastEventId === '' ? {} : { 'last-event-id': lastEventId }
  return TestStream.open(t, http, { channels, token, ...query }, headers)
}

/** The welcome, and then so many events: what each of them says. */
async function heard(stream: TestStream, count: number): Promise<readonly unknown[]> {
  await until('the events', () => stream.events.length > count)
  return stream.events.slice(1, count + 1).map(({ event, data }) => {
    const { channel, reason, data: number } = JSON.parse(data) as Record<string, unknown>
    return event === 'message' ? number : [event, channel, ...(reason ? [reason] : [])]
  })
}

function positionOf({ id }: ReceivedEvent, name: string): Position | undefined {
  const cursor = decodeCursor(id ?? '')
  return cursor && positionInCursor(cursor, name)
}

test('a stream begins with the newest, and goes on live (PROTOCOL 6.7)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  for (const number of [1, 2, 3, 4]) await nodes.publish('orders.1', number)
  const stream = await open(t, node, 'orders.1', '', { last: '2' })
  await until('the history', () => stream.events.length === 3)
  await nodes.publish('orders.1', 5)
  assert.deepEqual(await heard(stream, 3), [3, 4, 5])
  assert.equal(JSON.parse(stream.events[0]?.data ?? '').positions, undefined)
  const [welcome, third] = stream.events as [ReceivedEvent, ReceivedEvent]
  assert.equal(positionOf(welcome, 'orders.1')?.offset, 2)
  assert.equal(positionOf(third, 'orders.1')?.offset, 3)
  const { offset, previous } = JSON.parse(third.data) as Record<string, unknown>
  assert.deepEqual([offset, previous], [3, undefined])
})

test('only a whole number from 1 to 1,000 is a last (PROTOCOL 6.7)', async (t) => {
  const node = await (await openNodes(t)).start()
  for (const text of ['0', '1001', '-1', '1.5', 'x', '']) {
    const stream = await open(t, node, 'orders.1', '', { last: text })
    assert.equal(stream.response.statusCode, 400, text)
  }
  const stream = await open(t, node, 'news', '', { last: '1000' })
  assert.equal((await stream.next('welcome')).event, 'welcome')
})

test('the cursor goes before last, channel by channel (PROTOCOL 6.7)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  for (const number of [1, 2, 3]) await nodes.publish('orders.1', number)
  const before = await open(t, node, 'orders.1', '', { last: '3' })
  await until('the history', () => before.events.length === 4)
  const { id } = before.events[2] as ReceivedEvent
  for (const number of [11, 12, 13]) await nodes.publish('orders.2', number)
  const stream = await open(t, node, 'orders.1,orders.2', id, { last: '2' })
  const numbers = (await heard(stream, 3)) as readonly number[]
  assert.deepEqual(
    [...numbers].sort((a, b) => a - b),
    [3, 12, 13],
  )
})

test('a cursor is good on every node and after restarts (PROTOCOL 6.7, 14.3)', async (t) => {
  const nodes = await openNodes(t)
  const first = await nodes.start()
  const stream = await open(t, first, 'orders.1,orders.2')
  await stream.next('welcome')
  await nodes.publish('orders.1', 1)
  await nodes.publish('orders.2', 2)
  await stream.next('message')
  const { id = '' } = await stream.next('message')
  stream.cut()
  for (const number of [3, 5]) await nodes.publish('orders.1', number)
  await nodes.publish('orders.2', 4)
  const second = await nodes.start()
  const resumed = await open(t, second, 'orders.1,orders.2', id)
  await nodes.publish('orders.2', 6)
  const numbers = (await heard(resumed, 4)) as readonly number[]
  assert.deepEqual(
    [...numbers].sort((a, b) => a - b),
    [3, 4, 5, 6],
  )
  assert.deepEqual(
    [...(await heard(resumed, 4))].filter((n) => Number(n) % 2 === 1),
    [3, 5],
  )
  assert.deepEqual(second.counters.gaps, {})
  assert.equal(second.counters.deliveries.sse, 4)
})

test('a history made anew is a gap, and all of it follows (PROTOCOL 6.7, 14.6)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const stream = await open(t, node, 'orders.1')
  await stream.next('welcome')
  await nodes.publish('orders.1', 1)
  const { id = '' } = await stream.next('message')
  const before = positionOf({ id } as ReceivedEvent, 'orders.1')
  const anew = await openNodes(t)
  await anew.publish('orders.1', 21)
  const other = await anew.start()
  const resumed = await open(t, other, 'orders.1', id)
  assert.equal((await resumed.next('welcome')).id, undefined)
  const gap = await resumed.next('gap')
  const { channel, after, reason, offset, epoch } = JSON.parse(gap.data) as Record<string, unknown>
  assert.deepEqual([channel, after, reason, offset], ['orders.1', 1, 'new_epoch', 0])
  assert.deepEqual(positionOf(gap, 'orders.1'), { epoch, offset: 0, verified: 0 })
  assert.notEqual(epoch, before?.epoch)
  assert.equal((await resumed.publication())['data'], 21)
  assert.deepEqual(other.counters.gaps, { new_epoch: 1 })
})

test('who is cut off before a gap hears it again (PROTOCOL 6.5, 6.7)', async (t) => {
  const nodes = await openNodes(t, { messagesPerChannel: 2 })
  const node = await nodes.start()
  const channels = 'news,orders.1,orders.2'
  const first = await open(t, node, channels)
  await first.next('welcome')
  await nodes.publish('orders.1', 1)
  await nodes.publish('orders.2', 2)
  await first.next('message')
  const { id = '' } = await first.next('message')
  first.cut()
  for (let number = 3; number < 9; number += 1) await nodes.publish('orders.1', number)
  for (let number = 9; number < 15; number += 1) await nodes.publish('orders.2', number)
  // The first node still has everything in memory.
  const other = await nodes.start()
  const whole = await open(t, other, channels, id)
  const told = (await heard(whole, 7)).map(String)
  assert.equal(told.filter((text) => text.endsWith('expired')).length, 2)
  for (let count = 0; count < 8; count += 1) {
    const taken = whole.events.slice(0, count + 1)
    const next = taken.findLast((event) => event.id !== undefined)?.id ?? id
    const rest = (await heard(await open(t, other, channels, next), 7 - count)).map(String)
    // One channel after the other, in any order of the channels.
    assert.deepEqual(rest.sort(), told.slice(count).sort())
  }
})

test('gaps of a new history are heard wherever it is cut (PROTOCOL 14.6)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const channels = 'orders.1,orders.2,orders.*'
  const first = await open(t, node, channels)
  await first.next('welcome')
  await nodes.publish('orders.1', 1)
  await nodes.publish('orders.2', 2)
  await until('both have come, twice', () => first.events.length === 5)
  const id = first.lastEventId ?? ''
  first.cut()
  const anew = await openNodes(t)
  for (const number of [21, 22, 23]) await anew.publish('orders.1', number)
  const other = await anew.start()
  const whole = await open(t, other, channels, id)
  const told = (await heard(whole, 9)).map(String)
  assert.equal(told.filter((text) => text.endsWith('new_epoch')).length, 3)
  for (let count = 0; count < 10; count += 1) {
    const taken = whole.events.slice(0, count + 1)
    const next = taken.findLast((event) => event.id !== undefined)?.id ?? id
    const rest = (await heard(await open(t, other, channels, next), 9 - count)).map(String)
    assert.deepEqual(rest.sort(), told.slice(count).sort())
  }
  assert.equal(positionOf(whole.events.at(-1) as ReceivedEvent, 'orders.*')?.time, undefined)
})

test('the end of a channel is told, and the end of all ends a stream (PROTOCOL 6.8)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const stream = await open(t, node, 'orders.1,orders.2')
  await stream.next('welcome')
  await nodes.publish('orders.1', 1, last)
  const end = await stream.next('message')
  // Cut off here, the last one and `ended` come again.
  assert.equal(end.id, undefined)
  const ended = await stream.next('ended')
  assert.deepEqual(JSON.parse(ended.data), { channel: 'orders.1' })
  assert.equal(positionOf(ended, 'orders.1')?.offset, 1)
  await nodes.publish('orders.2', 2)
  assert.equal((await stream.publication())['data'], 2)
  await nodes.publish('orders.2', 3, last)
  await stream.next('message')
  const { id = '' } = await stream.next('ended')
  await stream.ended()
  assert.deepEqual([node.counters.connections.sse, node.counters.subscriptions], [0, 0])
  for (const each of [node, await nodes.start()]) {
    const answer = await open(t, each, 'orders.1,orders.2', id)
    assert.equal(answer.response.statusCode, 204)
    await answer.ended()
    assert.equal(each.counters.connections.sse, 0)
    assert.equal(each.gateway.outbox.bytes, 0)
  }
})

test('who comes after the end gets history and ended (PROTOCOL 6.8, 11.6)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  await nodes.publish('orders.1', 1)
  await nodes.publish('orders.1', 2, last)
  const stream = await open(t, node, 'orders.1', '', { last: '5' })
  assert.deepEqual(await heard(stream, 3), [1, 2, ['ended', 'orders.1']])
  await until('the end', () => stream.isEnded)
  const now = await open(t, node, 'orders.1')
  assert.deepEqual(await heard(now, 1), [['ended', 'orders.1']])
  // What was got before the end is no reason to say 204.
  const behind = await open(t, node, 'orders.1', stream.events[1]?.id)
  assert.deepEqual(await heard(behind, 2), [2, ['ended', 'orders.1']])
  // Nor is a channel that has not ended, or is not covered.
  for (const channels of ['orders.1,orders.9', 'orders.1,news', 'orders.1,orders.*']) {
    const other = await open(t, node, channels, now.lastEventId)
    assert.equal(other.response.statusCode, 200, channels)
  }
})

test('a publication after the end takes it back (PROTOCOL 6.8, 11.6)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const stream = await open(t, node, 'orders.1,orders.2')
  await stream.next('welcome')
  await nodes.publish('orders.1', 1, last)
  await nodes.publish('orders.1', 2)
  await nodes.publish('orders.2', 3, last)
  await nodes.publish('orders.1', 4, last)
  const expected = [1, ['ended', 'orders.1'], 2, 3, ['ended', 'orders.2'], 4, ['ended', 'orders.1']]
  assert.deepEqual(await heard(stream, 7), expected)
  await until('the end', () => stream.isEnded)
  const again = await open(t, await nodes.start(), 'orders.1', '', { last: '9' })
  assert.deepEqual(await heard(again, 5), [1, ['ended', 'orders.1'], 2, 4, ['ended', 'orders.1']])
  await until('the end', () => again.isEnded)
  const over = await open(t, node, 'orders.1', again.lastEventId)
  assert.equal(over.response.statusCode, 204)
})

test('no end is told of ephemeral channels or patterns (PROTOCOL 4.21, 11.6)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const stream = await open(t, node, 'news,orders.*')
  await stream.next('welcome')
  await nodes.publish('news', 1, last)
  await nodes.publish('orders.1', 2, last)
  await nodes.publish('news', 3)
  assert.deepEqual(await heard(stream, 3), [1, 2, 3])
  assert.ok(stream.events.slice(1).every(({ id }) => id !== undefined))
})

test('an EventSource whose channels have ended stops for good (PROTOCOL 6.8)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const source = new EventSource(`${node.http}/v1/events?channels=orders.1&token=${token}`)
  t.after(() => source.close())
  const told: string[] = []
  source.addEventListener('message', ({ data }) => told.push(String(JSON.parse(data).data)))
  source.addEventListener('ended', ({ data }) => told.push(String(data)))
  await new Promise((resolve) => source.addEventListener('welcome', resolve))
  await nodes.publish('orders.1', 1)
  await nodes.publish('orders.1', 2, last)
  const deadline = Date.now() + 15_000
  while (source.readyState !== source.CLOSED && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  assert.equal(source.readyState, source.CLOSED)
  assert.deepEqual(told, ['1', '2', '{"channel":"orders.1"}'])
  assert.equal(node.counters.handshakesAccepted.sse, 2)
})

test('a heartbeat carries the newest verified offset (PROTOCOL 6.4, 10.7)', async (t) => {
  const clock = new FakeClock()
  const nodes = await openNodes(t, {}, clock)
  const node = await nodes.start({ random: () => 0.99 })
  const stream = await open(t, node, 'orders.1')
  await until('the welcome', () => {
    clock.advance(10)
    return stream.events.length > 0
  })
  for (let number = 0; number < 50; number += 1) await nodes.publish('orders.2', number)
  await until('a heartbeat', () => {
    clock.advance(1_000)
    return stream.events.some(
      (event) => event.event === 'heartbeat' && positionOf(event, 'orders.1')?.verified === 50,
    )
  })
  assert.equal(positionOf(stream.events.at(-1) as ReceivedEvent, 'orders.1')?.offset, 50)
})

test('a history that is away refuses all of a stream (PROTOCOL 6.6, 14.9)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  nodes.history.switchTo(false)
  const stream = await open(t, node, 'news,orders.1')
  assert.equal(stream.response.statusCode, 200)
  assert.equal(JSON.parse((await stream.next('problem')).data).code, 'broker_unavailable')
  await stream.ended()
  assert.deepEqual([node.counters.connections.sse, node.counters.subscriptions], [0, 0])
  const ephemeral = await open(t, node, 'news')
  await ephemeral.next('welcome')
  nodes.history.switchTo(true)
  const back = await open(t, node, 'news,orders.1')
  await back.next('welcome')
})

test('streams of the same channels share an encoded cursor (PROTOCOL 6.3)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const channels = 'orders.1,orders.*,news'
  const streams = await Promise.all([1, 2, 3].map(() => open(t, node, channels)))
  for (const stream of streams) await stream.next('welcome')
  await nodes.publish('orders.1', 1)
  await nodes.publish('news', 2)
  await nodes.publish('orders.2', 3)
  const ids = new Set<string>()
  for (const stream of streams) {
    assert.deepEqual(await heard(stream, 4), [1, 1, 2, 3])
    ids.add(stream.events.map(({ id }) => id).join())
  }
  assert.equal(ids.size, 1)
})
