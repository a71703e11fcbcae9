/** Rings answer a cursor with everything, or with a gap and what they have, whatever happens. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Interest } from '../interest.js'
import { Publication } from '../publication.js'
import { costOf } from '../ring.js'
import { Rings, type RingLimits } from '../rings.js'
import { isChannel } from '../../shared/channel.js'
import { FakeClock } from './fake-clock.js'
import { openHub, Recorder, subscribe } from './opened-hub.js'
import { ScriptedBroker } from './scripted-broker.js'

const limits: RingLimits = {
  ringCountMax: 4,
  ringBytesMax: 6_000,
  ringsBytesMax: 12_000,
  lingerMs: 30_000,
}

/** Everything that ever arrived for one interest, and what a correct ring may answer from it. */
class Truth {
  readonly interest = interestOf('a')
  readonly #all: Publication[] = []
  #brokenAt = 0
  keptFrom = 0

  add(publication: Publication): void {
    this.#all.push(publication)
  }

  break(arrival: number): void {
    this.#brokenAt = arrival
  }

  check(cursor: number): void {
    const { ring } = this.interest
    const expected = this.#all.filter(({ arrival }) => arrival > cursor)
    if (ring === undefined) return
    const { publications, gap } = ring.after(cursor)
    if (gap === undefined) {
      assert.ok(cursor >= this.#brokenAt, 'bridges a break')
      return assert.deepEqual(arrivals(publications), arrivals(expected))
    }
    const isBroken = ring.since === this.#brokenAt && this.keptFrom < this.#brokenAt
    assert.equal(gap, isBroken ? 'too_large' : 'cursor_expired')
    const later = this.#all.filter(({ arrival }) => arrival > ring.since)
    assert.deepEqual(arrivals(publications), arrivals(later))
    if (cursor >= Math.max(this.keptFrom, this.#brokenAt)) {
      const bytes = expected.reduce((sum, publication) => sum + costOf(publication), 0)
      const isOverBounds = expected.length > limits.ringCountMax || bytes > limits.ringBytesMax
      assert.ok(isOverBounds, 'forgets what it has room for')
    }
  }

  contents(): readonly Publication[] {
    const { ring } = this.interest
    return ring?.after(ring.since).publications ?? []
  }
}

function arrivals(publications: readonly Publication[]): readonly number[] {
  return publications.map(({ arrival }) => arrival)
}

function interestOf(name: string): Interest {
  assert.ok(isChannel(name))
  return new Interest(name, undefined, () => ({
    confirm: async () => true,
    unsubscribe: () => {},
  }))
}

function publicationOf(arrival: number, bytes: number): Publication {
  const { channel } = interestOf('a')
  assert.ok(channel !== undefined)
  const payload = new Uint8Array(bytes)
  return new Publication({
    channel,
    pattern: undefined,
    time: 0,
    sender: undefined,
    contentType: undefined,
    payload,
    arrival,
    offset: 0,
    previous: 0,
    isEnd: false,
  })
}

class Scene {
  readonly clock = new FakeClock()
  readonly rings = new Rings(this.clock, limits)
  readonly truths = [new Truth(), new Truth(), new Truth()]
  arrival = 0

  step(kind: string, at: number, amount: number): void {
    const truth = this.truths[at] as Truth
    const { interest } = truth
    const { ring } = interest
    if (kind === 'keep') {
      if (ring === undefined) truth.keptFrom = this.arrival
      this.rings.keep(interest, this.arrival)
    } else if (kind === 'publish') {
      this.arrival += 1
      const publication = publicationOf(this.arrival, amount)
      truth.add(publication)
      if (ring !== undefined) this.rings.push(ring, publication)
    } else if (kind === 'break') {
      this.arrival += 1
      truth.break(this.arrival)
      if (ring !== undefined) this.rings.restart(ring, this.arrival, 'too_large')
    } else if (kind === 'drop') {
      this.rings.drop(interest)
    } else {
      interest.readers = amount % 2
      this.clock.advance(amount * 20)
      this.rings.sweep()
    }
  }

  check(): void {
    for (const truth of this.truths) {
      for (let cursor = 0; cursor <= this.arrival; cursor += 1) truth.check(cursor)
      const contents = truth.contents()
      const bytes = contents.reduce((sum, publication) => sum + costOf(publication), 0)
      assert.equal(truth.interest.ring?.bytes ?? 0, bytes)
      assert.ok(contents.length <= limits.ringCountMax && bytes <= limits.ringBytesMax)
    }
    const rings = this.truths.map(({ interest }) => interest.ring).filter((ring) => ring)
    assert.equal(this.rings.count, rings.length)
    assert.equal(
      this.rings.bytes,
      rings.reduce((sum, ring) => sum + (ring?.bytes ?? 0), 0),
    )
    assert.ok(this.rings.bytes <= limits.ringsBytesMax)
  }
}

test('a ring answers with everything since a cursor or says why it cannot (PROTOCOL 7.6)', () => {
  const kind = fc.constantFrom('keep', 'publish', 'publish', 'publish', 'break', 'drop', 'sweep')
  const step = fc.tuple(kind, fc.nat(2), fc.nat(2_500))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const scene = new Scene()
      for (const [kind, at, amount] of steps) {
        scene.step(kind, at, amount)
        scene.check()
      }
    }),
    { numRuns: 500 },
  )
})

test('a publication is charged for what it keeps alive (PROTOCOL 7.5)', () => {
  assert.deepEqual([costOf(publicationOf(1, 0)), costOf(publicationOf(2, 200))], [1_700, 2_300])
})

test('the ring that was not used for longest gives way when all together are too large', () => {
  const scene = new Scene()
  for (const at of [0, 1, 2]) scene.step('keep', at, 0)
  scene.step('keep', 0, 0)
  for (const at of [0, 1, 2]) scene.step('publish', at, 1_400)
  const kept = scene.truths.map(({ interest }) => interest.ring !== undefined)
  assert.deepEqual(kept, [true, false, true])
  assert.equal(scene.rings.evictions, 1)
})

test('a poll that comes back in time goes on, a late one is told (PROTOCOL 7.5)', async (t) => {
  const broker = new ScriptedBroker()
  const { hub, clock } = await openHub(t, broker)
  const poll = subscribe(hub, 'a', new Recorder())
  hub.keepRecent(poll)
  // A poll may wait for longer than a ring without readers is kept.
  clock.advance(55_000)
  const cursor = hub.arrival
  hub.unsubscribe(poll)
  broker.receive('rt.pub.a', '1')
  clock.advance(29_000)

  const next = subscribe(hub, 'a', new Recorder())
  hub.keepRecent(next)
  const { publications, gap } = hub.recent(next, cursor)
  assert.deepEqual([publications.length, gap], [1, undefined])
  const nothing = { publications: [] }
  assert.deepEqual(hub.recent(next, hub.arrival), { ...nothing, gap: undefined })
  assert.deepEqual(hub.recent(next, hub.arrival + 1), { ...nothing, gap: 'cursor_expired' })
  const second = hub.arrival
  hub.unsubscribe(next)
  clock.advance(32_000)
  assert.equal(hub.rings.count, 0)
  broker.receive('rt.pub.a', 'lost')

  const late = subscribe(hub, 'a', new Recorder())
  hub.keepRecent(late)
  broker.receive('rt.pub.a', '2')
  const still = hub.recent(late, second)
  assert.deepEqual([still.publications.length, still.gap], [1, 'cursor_expired'])
})

test('a ring outlives nothing: with its interest it is gone', async (t) => {
  const broker = new ScriptedBroker()
  const { hub } = await openHub(t, broker, { lingeringMax: 0 })
  const poll = subscribe(hub, 'a', new Recorder())
  hub.keepRecent(poll)
  broker.receive('rt.pub.a', '1')
  assert.ok(hub.rings.bytes > 0)
  hub.unsubscribe(poll)
  assert.deepEqual([hub.interestCount, hub.rings.count, hub.rings.bytes], [0, 0, 0])
  assert.deepEqual(hub.recent(poll, 0), { publications: [], gap: 'cursor_expired' })
})
