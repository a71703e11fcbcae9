/** Polls in numbers: many at once, answers in parts, and nothing that is left behind. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until } from './harness.js'
import { poll, type PollAnswer } from './http-client.js'
import { HttpConnection, requestText } from './http-connection.js'
import { SeededRandom } from '../../shared/tests/seeded-random.js'
import { mint } from './tokens.js'

const token = mint({ subscribe: ['>'] })
const headers = { authorization: `Bearer ${token}` }
const answerBytesMax = 1_048_576
const envelopeBytesMax = 1000

test('one publication answers 1,500 polls, and nothing is left (PROTOCOL 7.4)', async (t) => {
  const count = 1500
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, {
    clock,
    settings: { pendingPollsMax: count, connectionsMax: count },
  })
  const { counters, hub, broker, port } = gateway
  const connections = Array.from({ length: count }, () => new HttpConnection(t, port))
  const request = requestText({ path: '/v1/events?channels=news,chat.7', headers })
  for (const connection of connections) connection.send(request)
  await until('all wait', () => counters.connections.poll === count)
  assert.deepEqual([counters.subscriptions, hub.interestCount], [2 * count, 2])
  await broker.publish('rt.pub.news', Buffer.from('{"n":1}'), {})
  for (const connection of connections) {
    const { status, body } = await connection.answer()
    assert.equal(status, 200)
    assert.match(body, /"publications":\[\{"channel":"news","time":\d+,"data":\{"n":1\}\}\]/)
  }
  assert.deepEqual(
    [counters.connections.poll, counters.subscriptions, counters.deliveries.poll],
    [0, 0, count],
  )
  assert.deepEqual([hub.interestCount, hub.lingeringCount], [2, 2])
  // The same again at the end of the wait, on the same connections.
  for (const connection of connections) connection.send(request)
  await until('all wait again', () => counters.connections.poll === count)
  clock.advance(25_500)
  for (const connection of connections) assert.equal((await connection.answer()).status, 200)
  clock.advance(32_000)
  assert.deepEqual([hub.interestCount, hub.lingeringCount, hub.rings.count], [0, 0, 0])
  assert.deepEqual([hub.rings.bytes, counters.subscriptions], [0, 0])
})

test('polls whose wait ends together are answered in slices (PROTOCOL 7.2, 12.1)', async (t) => {
  const count = 2500
  const clock = new FakeClock()
  const { counters, port } = await startTestGateway(t, {
    clock,
    settings: { pendingPollsMax: count, connectionsMax: count },
  })
  const connections = Array.from({ length: count }, () => new HttpConnection(t, port))
  const request = requestText({ path: '/v1/events?channels=news&wait=4', headers })
  for (const connection of connections) connection.send(request)
  await until('all wait', () => counters.connections.poll === count)
  clock.advance(4500)
  assert.equal(counters.connections.poll, count)
  await new Promise((resolve) => setImmediate(resolve))
  const left = counters.connections.poll
  assert.ok(left > 0 && left < count, `${left} are left after the first slice`)
  for (const connection of connections) {
    const { status, body } = await connection.answer()
    assert.equal(status, 200)
    assert.match(body, /"publications":\[\]/)
  }
  assert.equal(counters.connections.poll, 0)
})

test('an answer over 1 MB comes in parts, without loss or repetition (PROTOCOL 7.4)', async (t) => {
  const gateway = await startTestGateway(t, {
    hubLimits: { ringCountMax: 1000, ringBytesMax: 67_108_864, ringsBytesMax: 268_435_456 },
  })
  const { broker, http } = gateway
  const random = new SeededRandom(5)
  const channels = ['news', 'chat.7', 'stocks.A']
  const filler = 'x'.repeat(60_000)
  let published = 0
  const publish = async (count: number): Promise<void> => {
    for (let left = count; left > 0; left -= 1) {
      const data = `{"n":${published},"x":"${filler.slice(0, random.upTo(60_000))}"}`
      await broker.publish(`rt.pub.${random.pick(channels)}`, Buffer.from(data), {})
      published += 1
    }
  }
  const query = { channels: channels.join(','), wait: '0' }
  let { cursor } = await poll(http, token, query)
  await publish(100)
  const numbers: number[] = []
  const all = { news: true, 'chat.7': true, 'stocks.A': true }
  for (let part = 1; ; part += 1) {
    const response = await fetch(
      `${http}/v1/events?${new URLSearchParams({ ...query, cursor }).toString()}`,
      { headers },
    )
    const text = await response.text()
    const answer = JSON.parse(text) as PollAnswer
    assert.ok(text.length <= answerBytesMax + envelopeBytesMax, `${text.length} bytes`)
    assert.deepEqual([answer.gaps, answer.recovered], [[], all])
    numbers.push(...answer.publications.map(({ data }) => (data as { n: number }).n))
    cursor = answer.cursor
    if (answer.publications.length === 0) break
    // More comes while the client still catches up.
    if (part < 3) await publish(5)
    if (part === 3) assert.ok(numbers.length < published, 'it fits into three answers')
  }
  assert.deepEqual(
    numbers,
    Array.from({ length: published }, (_, at) => at),
  )
})

test('a poll that waits is answered in parts too (PROTOCOL 7.4)', async (t) => {
  const { broker, http, counters } = await startTestGateway(t, {
    hubLimits: { ringCountMax: 1000, ringBytesMax: 67_108_864, ringsBytesMax: 268_435_456 },
  })
  const first = poll(http, token, { channels: 'news' })
  await until('it waits', () => counters.connections.poll === 1)
  const payload = (n: number): Buffer => Buffer.from(`[${n},"${'x'.repeat(60_000)}"]`)
  // All in one turn of the loop.
  for (let n = 0; n < 40; n += 1) void broker.publish('rt.pub.news', payload(n), {})
  const numbers: number[] = []
  const collect = ({ publications }: PollAnswer): void => {
    for (const { data } of publications) numbers.push((data as [number])[0])
  }
  let answer = await first
  collect(answer)
  const firstCount = numbers.length
  while (numbers.length < 40) {
    answer = await poll(http, token, { channels: 'news', cursor: answer.cursor, wait: '0' })
    assert.deepEqual([answer.gaps, answer.recovered], [[], { news: true }])
    assert.ok(answer.publications.length > 0, `${numbers.length} came`)
    collect(answer)
  }
  assert.ok(firstCount > 10 && firstCount < 20, `${firstCount} in the first answer`)
  assert.deepEqual(
    numbers,
    Array.from({ length: 40 }, (_, at) => at),
  )
})

test('polls that are answered and begin anew at random leak nothing (PROTOCOL 12.1)', async (t) => {
  const clock = new FakeClock()
  const gateway = await startTestGateway(t, { clock })
  const { counters, hub, broker, port } = gateway
  const random = new SeededRandom(9)
  const channels = Array.from({ length: 8 }, (_, at) => `c${at}`)
  let connections: HttpConnection[] = []
  for (let round = 0; round < 40; round += 1) {
    const wanted = 10 + random.upTo(20)
    const { poll: before } = counters.connections
    const added = Array.from({ length: wanted }, () => {
      const connection = new HttpConnection(t, port)
      const names = [random.pick(channels), random.pick(channels)].join(',')
      connection.send(requestText({ path: `/v1/events?channels=${names}`, headers }))
      return connection
    })
    await until('they wait', () => counters.connections.poll === before + wanted)
    connections.push(...added)
    await broker.publish(`rt.pub.${random.pick(channels)}`, Buffer.from('1'), {})
    const cut = connections.filter(() => random.upTo(3) === 0)
    for (const connection of cut) connection.cut()
    connections = connections.filter((each) => !cut.includes(each))
    clock.advance(random.upTo(5000))
    await until('the cut and the answered are gone', () => {
      const waiting = connections.filter(({ rest }) => rest === '')
      return counters.connections.poll === waiting.length
    })
  }
  clock.advance(60_000)
  await until('all are answered', () => counters.connections.poll === 0)
  assert.equal(counters.subscriptions, 0)
  clock.advance(32_000)
  assert.deepEqual([hub.interestCount, hub.lingeringCount, hub.rings.count], [0, 0, 0])
})
