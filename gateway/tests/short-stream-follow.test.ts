/** Short streams one after the other: nothing lost, nothing twice, however much there is. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { openNodes } from './durable-nodes.js'
import { range } from './durable-orders.js'
import { TestStream } from './event-stream-client.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { SeededRandom } from '../../shared/tests/seeded-random.js'
import { readShort, saidIn, ShortFollower, whole } from './short-stream-client.js'
import { mint } from './tokens.js'

const token = mint({ subscribe: ['>'] })
const answerBytesMax = 1_048_576

function sorted(numbers: readonly unknown[]): readonly unknown[] {
  return [...numbers].sort((a, b) => Number(a) - Number(b))
}

/** Reads on until a stream has nothing to say: the number in each publication. */
async function readAll(
  t: TestContext,
  { http }: TestGateway,
  channels: readonly string[],
  begin: string | undefined,
): Promise<{ readonly numbers: readonly number[]; readonly parts: number }> {
  const numbers: number[] = []
  let cursor = begin
  for (let parts = 0; ; parts += 1) {
    assert.ok(parts < 20)
    const stream = await readShort(t, http, token, { channels, wait: 0, cursor })
    assert.ok(stream.text.length < answerBytesMax * 1.1, `${stream.text.length} characters`)
    const said = saidIn(stream.events)
    if (said.length === 0) return { numbers, parts }
    numbers.push(...said.map((each) => (each as readonly [number])[0]))
    cursor = stream.lastEventId
  }
}

for (const seed of [1, 2, 3]) {
  test(`nothing is lost between short streams, seed ${seed} (PROTOCOL 6.10, 7.5)`, async (t) => {
    const random = new SeededRandom(seed)
    const nodes = await openNodes(t)
    const [first, second] = [await nodes.start(), await nodes.start()]
    const both = [first.http, second.http]
    const here = (): string => first.http
    const anywhere = (): string => random.pick(both)
    const ephemeral = ['news', 'stocks.*']
    const durable = ['orders.1', 'orders.2']
    const arriving = (count: number): number => 1 + random.upTo(count - 1)
    const followers = [{ wait: 0 }, { wait: 2 }, { wait: 2, arriving }].flatMap((how) => [
      new ShortFollower(t, { ...how, token, channels: [...ephemeral, ...durable], node: here }),
      new ShortFollower(t, { ...how, token, channels: ephemeral, node: here }),
      new ShortFollower(t, { ...how, token, channels: durable, node: anywhere }),
    ])
    for (const follower of followers) await follower.start()
    const names = ['news', 'stocks.A', 'stocks.B', 'orders.1', 'orders.2']
    const sent = new Map<number, string>()
    for (const number of range(0, 600)) {
      const name = random.pick(names)
      sent.set(number, name)
      await nodes.publish(name, number)
      for (let turns = random.upTo(4); turns > 0; turns -= 1) {
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    const isOf = (kind: string) => [...sent].filter(([, name]) => name.startsWith(kind))
    const orders = isOf('orders').map(([number]) => number)
    const others = [...sent.keys()].filter((number) => !orders.includes(number))
    const expected = [[...sent.keys()], others, orders]
    for (const [at, follower] of followers.entries()) {
      const all = expected[at % 3] as readonly number[]
      await until('everything has come', () => follower.said.length >= all.length)
      await follower.stop()
      assert.deepEqual(sorted(follower.said), all)
      for (const name of names) {
        const own = follower.said.filter((number) => sent.get(number as number) === name)
        assert.deepEqual(own, sorted(own), `${name} is in order`)
      }
      assert.ok(follower.rounds > 5, `${follower.rounds} rounds`)
    }
    for (const { counters, gateway } of [first, second]) {
      assert.deepEqual([counters.gaps, counters.connections.poll], [{}, 0])
      assert.deepEqual([counters.subscriptions, gateway.outbox.bytes], [0, 0])
    }
  })
}

test('a short stream catches up with 1,000 publications in one (PROTOCOL 6.10)', async (t) => {
  const nodes = await openNodes(t, { messagesPerChannel: 10_000 })
  const [first, second] = [await nodes.start(), await nodes.start()]
  const channels = ['orders.1', 'orders.2']
  const begin = await readShort(t, first.http, token, { channels, wait: 0 })
  for (const number of range(0, 1_000)) await nodes.publish(`orders.${1 + (number % 2)}`, number)
  for (const node of [first, second]) {
    const body = { channels, wait: 20, cursor: begin.lastEventId }
    const stream = await readShort(t, node.http, token, body)
    assert.deepEqual(sorted(saidIn(stream.events)), range(0, 1_000))
    // Cut off anywhere, the rest comes, and only that.
    for (const at of [0, 1, 333, 999]) {
      const cursor = stream.events[at]?.id
      const rest = await readShort(t, second.http, token, { channels, wait: 0, cursor })
      const before = saidIn(stream.events.slice(0, at + 1))
      assert.deepEqual(sorted([...before, ...saidIn(rest.events)]), range(0, 1_000))
    }
    const none = { channels, wait: 0, cursor: stream.lastEventId }
    assert.deepEqual(saidIn((await readShort(t, node.http, token, none)).events), [])
  }
})

test('more than one short stream holds comes with the next (PROTOCOL 6.10, 7.4)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start({
    hubLimits: { ringCountMax: 1000, ringBytesMax: 67_108_864, ringsBytesMax: 268_435_456 },
  })
  const channels = ['news', 'chat.7', 'orders.1', 'orders.2']
  const begin = await readShort(t, node.http, token, { channels, wait: 0 })
  const random = new SeededRandom(7)
  const filler = 'x'.repeat(60_000)
  for (const number of range(0, 100)) {
    await nodes.publish(random.pick(channels), [number, filler.slice(random.upTo(60_000))])
  }
  const { numbers, parts } = await readAll(t, node, channels, begin.lastEventId)
  assert.deepEqual(sorted(numbers), range(0, 100))
  assert.ok(parts > 2, `${parts} parts`)
  assert.deepEqual(node.counters.gaps, {})
})

test('a burst that ends a short stream may be larger than it holds (PROTOCOL 6.10)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start({
    hubLimits: { ringCountMax: 1000, ringBytesMax: 67_108_864, ringsBytesMax: 268_435_456 },
  })
  const channels = ['news', 'orders.1', 'orders.*']
  const stream = await TestStream.post(t, node.http, token, { channels, wait: 20 })
  await stream.next('welcome')
  const filler = 'x'.repeat(50_000)
  const named = (number: number): string => (number % 2 === 0 ? 'news' : 'orders.1')
  const published = range(0, 40).map((number) => nodes.publish(named(number), [number, filler]))
  await Promise.all(published)
  await whole(stream)
  assert.equal(stream.events.at(-1)?.event, 'heartbeat', stream.text.slice(-200))
  const said = saidIn(stream.events).map((each) => (each as readonly [number])[0])
  assert.ok(said.length > 10 && said.length < 60, `${said.length} at first`)
  const { numbers } = await readAll(t, node, channels, stream.lastEventId)
  // By name and by pattern: of the latter what was delivered may come again (PROTOCOL 14.7).
  const all = [...said, ...numbers]
  assert.deepEqual([...new Set(sorted(all))], range(0, 40))
  const evens = all.filter((number) => number % 2 === 0)
  assert.deepEqual(
    sorted(evens),
    range(0, 40).filter((number) => number % 2 === 0),
  )
  assert.deepEqual(node.counters.gaps, {})
})

test('one publication ends 1,000 short streams, and nothing is left (PROTOCOL 6.10)', async (t) => {
  const count = 1_000
  const gateway = await startTestGateway(t, {
    settings: { pendingPollsMax: count, connectionsMax: count },
  })
  const { counters, http, hub } = gateway
  const body = { channels: ['news', 'chat.7'], wait: 20 }
  const streams = await Promise.all(
    range(0, count).map(() => TestStream.post(t, http, token, body)),
  )
  for (const stream of streams) await stream.next('welcome')
  assert.deepEqual([counters.connections.poll, hub.interestCount], [count, 2])
  await gateway.broker.publish('rt.pub.news', Buffer.from('1'), {})
  for (const stream of streams) {
    await whole(stream)
    assert.deepEqual(saidIn(stream.events), [1])
  }
  assert.deepEqual([counters.connections.poll, counters.subscriptions], [0, 0])
  assert.deepEqual([counters.deliveries.poll, hub.lingeringCount], [count, 2])
})
