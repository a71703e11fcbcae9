/** Event streams that are not read: bounded, told of what they missed, ended in the end. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Counters } from '../counters.js'
import { DueWheel } from '../due-wheel.js'
import { CursorScopes } from '../cursor-scope.js'
import { EventStream } from '../event-stream.js'
import { FlushQueue } from '../flush-queue.js'
import { OutboxBudget } from '../outbox-budget.js'
import { FakeBroker } from './fake-broker.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { nextEvent, openStream, rawSocket, type StreamEvent } from './http-client.js'
import { refusedDeliveries } from './refused-deliveries.js'
import { mint } from './tokens.js'

const payloadBytes = 32_768
const outboxBytesMax = 65_536
/** Event fields around a payload. */
const overheadBytes = 200
const heartbeatMs = 30_000
/** More than the kernel's buffers of both ends hold, some 10 MB. */
const floodCount = 640

function publish({ broker }: TestGateway, number: number): void {
  const json = JSON.stringify([number, 'x'.repeat(payloadBytes - 20)])
  void broker.publish('rt.pub.chat.7', Buffer.from(json), {})
}

function urlOf({ http }: TestGateway, channels: string): string {
  return `${http}/v1/events?channels=${channels}&token=${mint({ subscribe: ['chat.*'] })}`
}

function numberOf({ data }: StreamEvent): number {
  return (JSON.parse(data) as { data: [number] }).data[0]
}

function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from }, (_, at) => from + at)
}

/** A stream that is read as fast as it comes. */
async function readAll(t: TestContext, gateway: TestGateway): Promise<readonly number[]> {
  const { events } = await openStream(t, urlOf(gateway, 'chat.7'))
  assert.equal((await nextEvent(events)).event, 'welcome')
  const numbers: number[] = []
  const read = async (): Promise<void> => {
    for await (const event of events) if (event.event === 'message') numbers.push(numberOf(event))
  }
  read().catch(() => {})
  return numbers
}

/** A stream that nobody reads after its head. */
async function openUnread(t: TestContext, gateway: TestGateway): Promise<void> {
  const socket = rawSocket(t, gateway.port)
  const target = urlOf(gateway, 'chat.7').slice(gateway.http.length)
  socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n`)
  await new Promise((resolve) => socket.once('data', resolve))
  socket.pause()
}

/** Until the kernel takes no more, which it now and then does a little later. */
async function fill(gateway: TestGateway): Promise<void> {
  for (let stuck = 0; stuck < 20;) {
    for (let at = 0; at < 64; at += 1) publish(gateway, at)
    const { deliveries } = gateway.counters
    const before = deliveries.sse
    for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve))
    publish(gateway, 0)
    stuck = deliveries.sse === before && gateway.gateway.outbox.bytes > 0 ? stuck + 1 : 0
  }
}

test('a stream that is not read is told that it missed some (PROTOCOL 10.3, 5.6)', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock() })
  const { counters } = gateway
  const refused = refusedDeliveries(gateway.hub)
  const { events } = await openStream(t, urlOf(gateway, 'chat.7'))
  assert.equal((await nextEvent(events)).event, 'welcome')
  const fast = await readAll(t, gateway)
  for (let at = 0; at < floodCount; at += 1) {
    publish(gateway, at)
    if (at % 8 !== 7) continue
    await until('the reader to have everything', () => fast.length === at + 1)
    assert.ok(gateway.gateway.outbox.bytes <= outboxBytesMax + payloadBytes + overheadBytes)
  }
  // Others do not notice.
  assert.deepEqual(fast, range(0, floodCount))
  const dropped = counters.deliveriesDropped.sse
  assert.ok(dropped > 0)
  assert.equal(refused(), dropped, 'the hub is told')
  assert.ok(gateway.gateway.outbox.bytes > 0)

  // Everything up to the gap in order, none twice; then live again.
  for (let at = 0; at < floodCount - dropped; at += 1) {
    assert.equal(numberOf(await nextEvent(events)), at)
  }
  const gap = await nextEvent(events)
  assert.equal(gap.event, 'gap')
  assert.deepEqual(JSON.parse(gap.data), { channel: 'chat.7', reason: 'slow_consumer' })
  publish(gateway, floodCount)
  assert.equal(numberOf(await nextEvent(events)), floodCount)
  assert.equal(counters.gaps.slow_consumer, 1)
  assert.equal(counters.deliveriesDropped.sse, dropped)
  await until('everything to be sent', () => gateway.gateway.outbox.bytes === 0)
})

test('what comes to a stream in one burst is bounded as it comes (PROTOCOL 10.3)', async (t) => {
  const gateway = await startTestGateway(t, { clock: new FakeClock() })
  const { events } = await openStream(t, urlOf(gateway, 'chat.7'))
  assert.equal((await nextEvent(events)).event, 'welcome')
  for (let at = 0; at < floodCount; at += 1) publish(gateway, at)
  assert.ok(gateway.gateway.outbox.bytes > 0)
  assert.ok(gateway.gateway.outbox.bytes <= outboxBytesMax + payloadBytes + overheadBytes)
  const dropped = gateway.counters.deliveriesDropped.sse
  assert.ok(dropped > 0)
  for (let at = 0; at < floodCount - dropped; at += 1) {
    assert.equal(numberOf(await nextEvent(events)), at)
  }
  assert.equal((await nextEvent(events)).event, 'gap')
})

test('a burst to many streams is bounded for all together (PROTOCOL 12.1)', async (t) => {
  const outboxesBytesMax = 100_000
  const gateway = await startTestGateway(t, { settings: { outboxesBytesMax } })
  const streams = await Promise.all(
    Array.from({ length: 8 }, () => openStream(t, urlOf(gateway, 'chat.7'))),
  )
  for (const { events } of streams) assert.equal((await nextEvent(events)).event, 'welcome')
  publish(gateway, 0)
  // Eight times the payload, before any of it has left at the end of the tick.
  const { bytes } = gateway.gateway.outbox
  assert.ok(bytes > 0 && bytes <= outboxesBytesMax + payloadBytes + overheadBytes, `${bytes} bytes`)
  for (const { events } of streams) assert.equal(numberOf(await nextEvent(events)), 0)
  await until('everything to be sent', () => gateway.gateway.outbox.bytes === 0)
  assert.equal(gateway.counters.deliveriesDropped.sse, 0)
})

test('a stream that takes no bytes for two intervals is ended (PROTOCOL 10.3)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock })
  const { counters } = gateway
  await openUnread(t, gateway)
  const quiet = await openStream(t, urlOf(gateway, 'chat.8'))
  assert.equal((await nextEvent(quiet.events)).event, 'welcome')
  await fill(gateway)
  clock.advance(2 * heartbeatMs)
  assert.equal(counters.connections.sse, 2)
  clock.advance(heartbeatMs)
  await until('the stream to be ended', () => counters.connections.sse === 1)
  assert.equal(counters.refusals.slow_consumer, 1)
  assert.equal(counters.subscriptions, 1)
  await until('the heartbeats to be sent', () => gateway.gateway.outbox.bytes === 0)
  await gateway.broker.publish('rt.pub.chat.8', Buffer.from('[1]'), {})
  for (;;) {
    const event = await nextEvent(quiet.events)
    if (event.event === 'heartbeat') continue
    assert.equal(numberOf(event), 1)
    break
  }
})

test('what was too large for a stream behind is told later, once (PROTOCOL 10.3)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock })
  const { broker, counters } = gateway
  const tooLarge = Buffer.alloc(70_000, 0x20)
  const url = urlOf(gateway, 'chat.7,chat.8,chat.9')
  const { events } = await openStream(t, url)
  assert.equal((await nextEvent(events)).event, 'welcome')
  // All in one turn of the loop: what the stream holds is more than it may.
  for (let at = 0; at < floodCount; at += 1) publish(gateway, at)
  const held = gateway.gateway.outbox.bytes
  const dropped = counters.deliveriesDropped.sse
  assert.ok(dropped > 0)
  for (let count = 0; count < 1000; count += 1) {
    void broker.publish('rt.pub.chat.7', tooLarge, {})
    void broker.publish('rt.pub.chat.8', tooLarge, {})
  }
  assert.equal(gateway.gateway.outbox.bytes, held)
  for (let at = 0; at < floodCount - dropped; at += 1) {
    assert.equal(numberOf(await nextEvent(events)), at)
  }
  for (const gap of [
    { channel: 'chat.7', reason: 'slow_consumer' },
    { channel: 'chat.8', reason: 'too_large' },
  ]) {
    const { event, data } = await nextEvent(events)
    assert.deepEqual([event, JSON.parse(data)], ['gap', gap])
  }
  publish(gateway, floodCount)
  assert.equal(numberOf(await nextEvent(events)), floodCount)
  assert.deepEqual(counters.gaps, { slow_consumer: 1, too_large: 1 })
})

test('a stream that expires while it is not read is closed at once (PROTOCOL 3.10)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock })
  await openUnread(t, gateway)
  await fill(gateway)
  clock.advance(50_000)
  assert.equal(gateway.counters.connections.sse, 1)
  clock.advance(600_000)
  await until('the stream to be closed', () => gateway.counters.connections.sse === 0)
  assert.equal(gateway.gateway.outbox.bytes, 0)
})

test('a stream that is refused after all says only that (PROTOCOL 6.6)', async (t) => {
  const broker = new FakeBroker()
  const gateway = await startTestGateway(t, { broker, clock: new FakeClock() })
  broker.holdConfirmations()
  const opening = openStream(t, urlOf(gateway, 'chat.7'))
  await until('the broker to be asked', () => broker.heldCount === 1)
  for (let at = 0; at < 4; at += 1) publish(gateway, at)
  broker.releaseConfirmations(false)
  const { events } = await opening
  assert.equal((await nextEvent(events)).event, 'problem')
  assert.equal((await events.next()).done, true)
})

test('what arrives before the broker has confirmed is bounded, too (PROTOCOL 10.3)', async (t) => {
  const broker = new FakeBroker()
  const gateway = await startTestGateway(t, { broker, clock: new FakeClock() })
  broker.holdConfirmations()
  const opening = openStream(t, urlOf(gateway, 'chat.7'))
  await until('the broker to be asked', () => broker.heldCount === 1)
  for (let at = 0; at < 20; at += 1) publish(gateway, at)
  assert.ok(gateway.gateway.outbox.bytes <= outboxBytesMax + payloadBytes + overheadBytes)
  const dropped = gateway.counters.deliveriesDropped.sse
  assert.ok(dropped > 0)
  broker.releaseConfirmations(true)
  const { events } = await opening
  assert.equal((await nextEvent(events)).event, 'welcome')
  for (let at = 0; at < 20 - dropped; at += 1) {
    assert.equal(numberOf(await nextEvent(events)), at)
  }
  assert.equal((await nextEvent(events)).event, 'gap')
  publish(gateway, 20)
  assert.equal(numberOf(await nextEvent(events)), 20)
})

test('a stream that blocks again and again is looked after once', async (t) => {
  const clock = new FakeClock()
  const wheel = new DueWheel(clock)
  t.after(() => wheel.stop())
  const counters = new Counters()
  const outbox = new OutboxBudget(outboxBytesMax, 1e9)
  const flushQueue = new FlushQueue()
  const settings = { heartbeatSeconds: 30, clockToleranceSeconds: 5 }
  const hub = { arrival: 0, unsubscribe: () => {} }
  const random = (): number => 0.5
  const node = { clock, wheel, counters, outbox, flushQueue, settings, hub, random }
  let writable = (): boolean => false
  let pauses = 0
  const response = {
    onAborted: () => response,
    onWritable: (handler: () => boolean) => (writable = handler),
    cork: (run: () => void) => run(),
    write: () => false,
    pause: () => (pauses += 1),
    resume: () => {},
  }
  const scopes = new CursorScopes('0123456789abcdef', () => false)
  const identity = { expiresAt: clock.now() + 600_000 }
  const make = EventStream as unknown as new (...parts: unknown[]) => EventStream
  const stream = new make(node, { identity, names: ['news'] }, scopes, response, undefined)
  const nothing = { publications: [], gaps: [], recovered: {}, position: 0, ended: [] }
  stream.begin({ ...nothing, isLossy: false })
  stream.flush()
  for (let time = 0; time < 1000; time += 1) writable()
  // The stream itself, and what keeps the engine from ending it.
  assert.equal([...wheel.items()].length, 2)
  clock.advance(20_000)
  assert.equal([...wheel.items()].length, 2)
  assert.ok(pauses >= 4 && pauses <= 5, String(pauses))
})
