/** Resuming by cursor under chance: nothing is lost, nothing comes twice, all is in order. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { isChannel } from '../../shared/channel.js'
import { covers } from '../../shared/pattern.js'
import { TestStream, type ReceivedEvent } from './event-stream-client.js'
import { FakeClock } from './fake-clock.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { poll, type PollAnswer } from './http-client.js'
import { SeededRandom } from '../../shared/tests/seeded-random.js'
import { mint } from './tokens.js'

const channels = ['news', 'chat.7', 'stocks.A', 'stocks.B', 'stocks.B.open']
/** Of the names of one reader; some overlap. */
const namesOfReaders = [
  ['news'],
  ['stocks.*'],
  ['stocks.>', 'stocks.A'],
  ['chat.7', 'news', 'stocks.A', 'stocks.B'],
  ['chat.7', 'stocks.*', 'stocks.>'],
]
/** Two of these and a wait are less than the 30 s for which a channel lingers. */
const pauseMsMax = 13_000
/** Rings that hold everything: then no gap has an excuse. */
const roomyRings = { ringCountMax: 10_000, ringBytesMax: 16_777_216 }

interface Received {
  readonly channel: string
  readonly pattern?: string
  readonly data?: unknown
}

/** Publishes numbers, and knows what each name should have heard. */
class Publisher {
  readonly #gateway: TestGateway
  readonly #random: SeededRandom
  readonly #published: string[] = []

  constructor(gateway: TestGateway, random: SeededRandom) {
    this.#gateway = gateway
    this.#random = random
  }

  async publishSome(max: number): Promise<void> {
    for (let left = this.#random.upTo(max); left > 0; left -= 1) {
      const channel = this.#random.pick(channels)
      const number = this.#published.push(channel) - 1
      await this.#gateway.broker.publish(`rt.pub.${channel}`, Buffer.from(String(number)), {})
    }
  }

  /** Everything that matches, once for each name, in order. */
  assertComplete(names: readonly string[], received: readonly Received[]): void {
    const numbers = received.map(({ data }) => Number(data))
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    )
    for (const name of names) {
      const expected = this.#published.flatMap((channel, at) => (covers(name, channel) ? [at] : []))
      const heard = received
        .filter(({ channel, pattern }) =>
          isChannel(name) ? !pattern && channel === name : pattern === name,
        )
        .map(({ data }) => Number(data))
      assert.deepEqual(heard, expected, name)
      assert.ok(expected.length > 20, `${name} was hardly published to`)
    }
  }
}

class Poller {
  readonly names: readonly string[]
  readonly received: Received[] = []
  isAnswered = false
  readonly #gateway: TestGateway
  readonly #token: string
  readonly #usesPost: boolean
  #cursor: string | undefined

  constructor(gateway: TestGateway, names: readonly string[], token: string, usesPost: boolean) {
    this.#gateway = gateway
    this.names = names
    this.#token = token
    this.#usesPost = usesPost
  }

  async poll(wait: number): Promise<void> {
    this.isAnswered = false
    const { publications, gaps, recovered, cursor } = await this.#ask(wait)
    const isFirst = this.#cursor === undefined
    const all = isFirst ? {} : Object.fromEntries(this.names.map((name) => [name, true]))
    assert.deepEqual([gaps, recovered], [[], all])
    this.received.push(...publications)
    this.#cursor = cursor
    this.isAnswered = true
  }

  async #ask(wait: number): Promise<PollAnswer> {
    const { http } = this.#gateway
    const cursor = this.#cursor === undefined ? {} : { cursor: this.#cursor }
    if (!this.#usesPost) {
      const query = { channels: this.names.join(','), wait: String(wait), ...cursor }
      return poll(http, this.#token, query)
    }
    const response = await fetch(`${http}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#token}` },
      body: JSON.stringify({ channels: this.names, wait, ...cursor }),
    })
    assert.equal(response.status, 200)
    return (await response.json()) as PollAnswer
  }
}

async function begin(t: TestContext, seed: number) {
  const clock = new FakeClock()
  const random = new SeededRandom(seed)
  const gateway = await startTestGateway(t, { clock, random: random.next, hubLimits: roomyRings })
  const exp = Math.floor(clock.now() / 1000) + 3500
  const token = mint({ exp, subscribe: ['>'] })
  return { clock, random, gateway, token, publisher: new Publisher(gateway, random) }
}

for (const seed of [1, 2, 3, 4]) {
  test(`pollers that come back miss nothing, seed ${seed} (PROTOCOL 7.4, 7.5)`, async (t) => {
    const { clock, random, gateway, token, publisher } = await begin(t, seed)
    const pollers = namesOfReaders.flatMap((names) => [
      new Poller(gateway, names, token, false),
      new Poller(gateway, names, token, true),
    ])
    await Promise.all(pollers.map((each) => each.poll(0)))
    for (let round = 0; round < 30; round += 1) {
      await publisher.publishSome(12)
      clock.advance(random.upTo(pauseMsMax))
      await publisher.publishSome(12)
      clock.advance(random.upTo(pauseMsMax))
      const waits = pollers.map(() => random.upTo(3))
      const polls = pollers.map((each, at) => each.poll(waits[at] as number))
      await until('each is answered or waits', () => {
        const answered = pollers.filter(({ isAnswered }) => isAnswered).length
        return answered + gateway.counters.connections.poll >= pollers.length
      })
      // What arrives now may answer some of those that wait; the end of their wait the others.
      await publisher.publishSome(2)
      clock.advance(3500)
      await Promise.all(polls)
    }
    for (const each of pollers) {
      await each.poll(0)
      publisher.assertComplete(each.names, each.received)
    }
    assert.deepEqual([gateway.counters.gaps, gateway.counters.subscriptions], [{}, 0])
  })
}

class StreamReader {
  readonly names: readonly string[]
  readonly received: Received[] = []
  readonly #t: TestContext
  readonly #gateway: TestGateway
  readonly #token: string
  #stream: TestStream | undefined
  #lastEventId: string | undefined

  constructor(t: TestContext, gateway: TestGateway, names: readonly string[], token: string) {
    this.#t = t
    this.#gateway = gateway
    this.names = names
    this.#token = token
  }

  /** As an `EventSource` does: the first time without, then with the last id. */
  async open(): Promise<void> {
    const headers = this.#lastEventId === undefined ? {} : { 'last-event-id': this.#lastEventId }
    const query = { channels: this.names.join(','), token: this.#token }
    this.#stream = await TestStream.open(this.#t, this.#gateway.http, query, headers)
    await until('the welcome', () => (this.#stream?.events.length ?? 0) > 0)
  }

  /** Cut off after some of what was sent: the rest was lost on the way. */
  cut(random: SeededRandom): void {
    const events = this.#stream?.events ?? []
    // Who has not even read the first welcome has no cursor, and begins anew.
    const least = this.#lastEventId === undefined ? 1 : 0
    this.#keep(events.slice(0, least + random.upTo(events.length - least)))
  }

  /** Everything has come once the last publications of all channels have. */
  async finish(): Promise<void> {
    const { events } = this.#stream as TestStream
    const isLast = ({ data }: ReceivedEvent): boolean => data.includes('"end"')
    const count = this.names.flatMap((name) => channels.filter((each) => covers(name, each))).length
    await until('the last events', () => events.filter(isLast).length === count)
    this.#keep(events.filter((event) => !isLast(event)))
  }

  #keep(events: readonly ReceivedEvent[]): void {
    for (const { event, data, id } of events) {
      assert.match(event, /^(?:welcome|message|heartbeat)$/, data)
      if (event === 'message') this.received.push(JSON.parse(data) as Received)
      this.#lastEventId = id ?? this.#lastEventId
    }
    this.#stream?.cut()
  }
}

for (const seed of [1, 2, 3, 4]) {
  test(`streams cut off at random miss nothing, seed ${seed} (PROTOCOL 6.5)`, async (t) => {
    const { clock, random, gateway, token, publisher } = await begin(t, seed)
    const readers = namesOfReaders.map((names) => new StreamReader(t, gateway, names, token))
    for (const each of readers) await each.open()
    for (let round = 0; round < 30; round += 1) {
      const away = readers.filter(() => random.upTo(2) === 0)
      for (const each of away) each.cut(random)
      await publisher.publishSome(10)
      clock.advance(random.upTo(pauseMsMax))
      await publisher.publishSome(10)
      clock.advance(random.upTo(pauseMsMax))
      for (const each of away) await each.open()
      await publisher.publishSome(10)
    }
    for (const channel of channels) {
      await gateway.broker.publish(`rt.pub.${channel}`, Buffer.from('"end"'), {})
    }
    assert.deepEqual(gateway.counters.gaps, {})
    for (const each of readers) {
      await each.finish()
      publisher.assertComplete(each.names, each.received)
    }
  })
}
