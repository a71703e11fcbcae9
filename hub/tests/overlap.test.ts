/** Interests that overlap come and go under a steady stream: nobody loses or doubles a thing. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { covers } from '../../shared/pattern.js'
import type { Hub } from '../hub.js'
import type { Publication } from '../publication.js'
import type { Subscriber } from '../subscriber.js'
import type { Subscription } from '../subscription.js'
import { openMemoryBroker, openNatsBroker, type OpenBroker } from './opened-broker.js'
import { openHub, subscribe } from './opened-hub.js'
import { SeededRandom } from '../../shared/tests/seeded-random.js'
import { until } from './until.js'

const channels = ['a.b', 'a.c', 'a.b.c']
const names = ['a.b', 'a.c', 'a.b.c', 'a.*', 'a.>', 'a.b.*', 'a.*.c', 'a.b.>']
const rounds = 400

/** Numbered publications, evenly over the channels. */
class Stream {
  readonly sent = new Map(channels.map((channel) => [channel, 0]))
  readonly #publish: (subject: string, payload: Uint8Array) => void

  constructor(publish: (subject: string, payload: Uint8Array) => void) {
    this.#publish = publish
  }

  send(): void {
    for (const channel of channels) {
      const number = (this.sent.get(channel) ?? 0) + 1
      this.sent.set(channel, number)
      this.#publish(`rt.pub.${channel}`, new TextEncoder().encode(`${number}`))
    }
  }
}

/** One subscription; checks each publication as it comes. */
class Follower implements Subscriber {
  readonly name: string
  readonly subscription: Subscription
  readonly #last = new Map<string, number>()
  /** The newest number of each channel when the subscription was confirmed. */
  #confirmedAt: ReadonlyMap<string, number> | undefined = undefined
  hasLeft = false

  constructor(hub: Hub, name: string) {
    this.name = name
    this.subscription = subscribe(hub, name, this)
  }

  readonly canTake = true

  deliver({ channel, pattern, payload }: Publication): boolean {
    assert.ok(!this.hasLeft, `${this.name} has left`)
    assert.ok(covers(this.name, channel))
    assert.equal(pattern, this.name.match(/[*>]/) ? this.name : undefined)
    const number = Number(new TextDecoder().decode(payload))
    const last = this.#last.get(channel)
    const first = (this.#confirmedAt?.get(channel) ?? Infinity) + 1
    if (last === undefined) assert.ok(number <= first, `${this.name}: ${number}, not ${first}`)
    else assert.equal(number, last + 1, `${this.name} of ${channel}`)
    this.#last.set(channel, number)
    return true
  }

  ended(): void {}

  gap(): void {
    assert.fail('there is no gap in this test')
  }

  confirm(stream: Stream): void {
    this.#confirmedAt = new Map(stream.sent)
  }

  /** Whether it has all that was sent since it was confirmed. */
  isUpToDate(stream: Stream): boolean {
    if (this.#confirmedAt === undefined) return true
    return channels.every((channel) => {
      const sent = stream.sent.get(channel) ?? 0
      if (!covers(this.name, channel) || sent === this.#confirmedAt?.get(channel)) return true
      return this.#last.get(channel) === sent
    })
  }

  leave(hub: Hub): void {
    hub.unsubscribe(this.subscription)
    this.hasLeft = true
  }
}

async function overlap(t: TestContext, open: OpenBroker, seed: number): Promise<void> {
  const random = new SeededRandom(seed)
  const { broker, publish } = await open(t, false)
  const failures: string[] = []
  const { hub, clock, events } = await openHub(t, broker, { lingerMs: 5_000, lingeringMax: 3 })
  await until(() => hub.isConnected)
  const stream = new Stream(publish)
  const followers = new Set<Follower>()
  let confirmations = 0
  for (let round = 0; round < rounds; round += 1) {
    const [oldest] = followers
    if (followers.size < 12 && random.next() < 0.6) {
      const follower = new Follower(hub, random.pick(names))
      followers.add(follower)
      const confirmed = Promise.resolve(hub.confirmed(follower.subscription))
      void confirmed.then((isConfirmed) => {
        // The interest of one that left at once may have ended before it was confirmed.
        if (follower.hasLeft) return
        assert.ok(isConfirmed)
        confirmations += 1
        follower.confirm(stream)
      })
      if (random.next() < 0.3) await confirmed
    } else if (oldest !== undefined) {
      // Some leave in the middle of the stream, some when they have got everything.
      if (random.next() < 0.3) await until(() => oldest.isUpToDate(stream))
      followers.delete(oldest)
      oldest.leave(hub)
    }
    stream.send()
    if (random.next() < 0.2) clock.advance(2_500)
    if (random.next() < 0.3) await new Promise((resolve) => setImmediate(resolve))
  }
  stream.send()
  await until(() => [...followers].every((follower) => follower.isUpToDate(stream)))
  // What a follower asserts is thrown into the broker, which reports it.
  for (const event of events) if (event.type === 'error') failures.push(event.reason)
  assert.deepEqual(failures, [])
  assert.ok(confirmations > 100 && hub.counters.deliveries > 1_000)
}

for (const [name, open] of [
  ['memory', openMemoryBroker],
  ['NATS', openNatsBroker],
] as const) {
  for (const seed of [1, 2, 3]) {
    const promise = 'overlapping interests get all exactly once (PROTOCOL 2.6, 5.7)'
    test(`${name}: ${promise}, seed ${seed}`, (t) => overlap(t, open, seed))
  }
}
