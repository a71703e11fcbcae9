/** Cursors carried over nodes and transports by chance: nothing is lost, twice or out of order. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { isChannel } from '../../shared/channel.js'
import { covers } from '../../shared/pattern.js'
import { openNodes } from './durable-nodes.js'
import { TestStream } from './event-stream-client.js'
import { until, type TestGateway } from './harness.js'
import { postPoll, type PollAnswer } from './http-client.js'
import { SeededRandom } from '../../shared/tests/seeded-random.js'
import { mint } from './tokens.js'

const channels = ['orders.1', 'orders.2', 'orders.eu.1', 'orders.eu.2', 'news', 'stocks.A']
/** Those with an ephemeral channel stay on one node: another one could only tell a gap. */
const namesOfReaders = [
  ['orders.1'],
  ['orders.1', 'orders.2', 'orders.eu.1'],
  ['orders.*', 'orders.2'],
  ['orders.>'],
  ['orders.eu.*', 'orders.1', 'news'],
  ['orders.2', 'stocks.*', 'news'],
]
const token = mint({ subscribe: ['>'] })

interface Received {
  readonly channel: string
  readonly pattern?: string
  readonly offset?: number
  readonly data?: unknown
}

/** Goes on by stream or by poll, as it comes; an id or a cursor is all that it keeps. */
class Reader {
  readonly names: readonly string[]
  readonly received: Received[] = []
  readonly #nodes: readonly TestGateway[]
  readonly #random: SeededRandom
  #cursor = ''
  #stream: TestStream | undefined = undefined

  constructor(names: readonly string[], nodes: readonly TestGateway[], random: SeededRandom) {
    this.names = names
    this.#random = random
    const isDurable = names.every((name) => name.startsWith('orders'))
    this.#nodes = isDurable ? nodes : [random.pick(nodes)]
  }

  /** A new stream, or a poll that is answered at once. */
  async connect(t: TestContext): Promise<void> {
    if (this.#cursor === '' || this.#random.upTo(2) === 0) return this.poll()
    this.#stream = await this.#open(t, this.#random.pick(this.#nodes).http)
    await until('the welcome', () => (this.#stream?.events.length ?? 0) > 0)
  }

  async poll(): Promise<void> {
    const body = { channels: this.names, ...this.#shown() }
    const response = await postPoll(this.#random.pick(this.#nodes).http, token, body)
    const answer = (await response.json()) as PollAnswer
    const covered = this.#cursor === '' ? [] : this.names
    const recovered = Object.fromEntries(covered.map((name) => [name, true]))
    assert.deepEqual([answer.gaps, answer.recovered], [[], recovered])
    this.received.push(...answer.publications)
    this.#cursor = answer.cursor
  }

  /** As an `EventSource` does, or by POST. */
  #open(t: TestContext, http: string): Promise<TestStream> {
    const channels = this.names
    if (this.#random.upTo(1) === 0) {
      return TestStream.post(t, http, token, { channels, ...this.#shown() })
    }
    const headers = { 'last-event-id': this.#cursor }
    return TestStream.open(t, http, { channels: channels.join(','), token }, headers)
  }

  /** For all of its names at once, for each, or some so and the others so: it means the same. */
  #shown(): object {
    const cursor = this.#cursor
    if (cursor === '') return {}
    const own = this.names.filter(() => this.#random.upTo(1) === 0)
    const positions = Object.fromEntries(own.map((name) => [name, cursor]))
    return own.length === this.names.length ? { positions } : { cursor, positions }
  }

  /** Cut off after some of what was sent: the rest was lost on the way. */
  cut(): void {
    const events = this.#stream?.events ?? []
    for (const { event, data, id } of events.slice(0, this.#random.upTo(events.length + 1))) {
      assert.match(event, /^(?:welcome|message|heartbeat)$/, data)
      if (event === 'message') this.received.push(JSON.parse(data) as Received)
      this.#cursor = id ?? this.#cursor
    }
    this.#stream?.cut()
    this.#stream = undefined
  }

  assertComplete(published: readonly string[]): void {
    for (const name of this.names) {
      const mine = this.received.filter(({ channel, pattern }) =>
        isChannel(name) ? pattern === undefined && channel === name : pattern === name,
      )
      for (const channel of channels.filter((each) => covers(name, each))) {
        const heard = mine.filter((each) => each.channel === channel)
        const expected = published.flatMap((each, at) => (each === channel ? [at] : []))
        const numbers = isChannel(name) ? heard.map(({ data }) => Number(data)) : firsts(heard)
        assert.deepEqual(numbers, expected, `${name}: ${channel}`)
        assert.ok(expected.length > 10)
      }
    }
  }
}

/** A pattern's position is that of its namespace: what lies beyond comes again (PROTOCOL 14.7). */
function firsts(heard: readonly Received[]): readonly number[] {
  const numbers: number[] = []
  let newest = 0
  for (const { offset, data } of heard) {
    // An ephemeral one has none, and comes once.
    if (offset !== undefined && offset <= newest) continue
    newest = offset ?? newest
    numbers.push(Number(data))
  }
  return numbers
}

for (const seed of [1, 2, 3, 4, 5, 6]) {
  const title = `readers that move over nodes and transports miss nothing, seed ${seed}`
  test(`${title} (PROTOCOL 6.7, 7.9, 7.10, 14.3, 14.7)`, async (t) => {
    const random = new SeededRandom(seed)
    const nodes = await openNodes(t, { messagesPerChannel: 1_000 })
    const gateways = [
      await nodes.start(),
      await nodes.start(),
      // Its verified offset moves while they read.
      await nodes.start({ durableLimits: { verifyMs: 40 } }),
    ]
    const published: string[] = []
    const publishSome = async (max: number): Promise<void> => {
      for (let left = random.upTo(max); left > 0; left -= 1) {
        const channel = random.pick(channels)
        await nodes.publish(channel, published.push(channel) - 1)
      }
    }
    const readers = [...namesOfReaders, ...namesOfReaders].map(
      (names) => new Reader(names, gateways, random),
    )
    for (const each of readers) await each.poll()
    for (let round = 0; round < 30; round += 1) {
      const away = readers.filter(() => random.upTo(2) === 0)
      for (const each of away) each.cut()
      await publishSome(12)
      for (const each of away) {
        const isConnected = each.connect(t)
        if (random.upTo(2) === 0) await publishSome(3)
        await isConnected
      }
    }
    for (const each of readers) {
      each.cut()
      await each.poll()
      each.assertComplete(published)
    }
    for (const { counters } of gateways) assert.deepEqual(counters.gaps, {})
  })
}
