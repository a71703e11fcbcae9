/** The wheel that visits connections when something of theirs is due. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../hub/clock.js'
import { SteadyClock } from '../../hub/steady-clock.js'
import { DueWheel, type DueItem } from '../due-wheel.js'
import { FakeClock } from './fake-clock.js'

const tickMs = 250
const start = 1_000_000

/** Notes its visits; wants the next one `everyMs` later, or none. */
function visitor(visits: number[], everyMs?: number): DueItem {
  return {
    due: (now) => {
      visits.push(now - start)
      return everyMs === undefined ? undefined : now + everyMs
    },
    leave: () => {},
  }
}

function setUp(): { readonly clock: FakeClock; readonly wheel: DueWheel } {
  const clock = new FakeClock(start)
  return { clock, wheel: new DueWheel(clock) }
}

test('an item is visited at its time or within a tick, never before', () => {
  const { clock, wheel } = setUp()
  for (const at of [1, 250, 251, 999, 1000, 60_001]) {
    const visits: number[] = []
    wheel.add(visitor(visits), start + at)
    const from = clock.now() - start
    clock.advance(at + tickMs)
    assert.equal(visits.length, 1)
    const [visit = NaN] = visits
    assert.ok(visit >= at && visit <= Math.max(at, from) + tickMs, `${at}: ${visit}`)
  }
})

test('an item that is due already is visited at the next tick', () => {
  const { clock, wheel } = setUp()
  const visits: number[] = []
  wheel.add(visitor(visits), start - 10_000)
  assert.deepEqual(visits, [])
  clock.advance(tickMs)
  assert.deepEqual(visits, [tickMs])
})

test('an item is visited again when it says, until it says no more', () => {
  const { clock, wheel } = setUp()
  const visits: number[] = []
  wheel.add(visitor(visits, 1000), start + 500)
  clock.advance(3500)
  assert.deepEqual(visits, [500, 1500, 2500, 3500])
  const once: number[] = []
  wheel.add(visitor(once), start + 4000)
  clock.advance(10_000)
  assert.deepEqual(once, [4000])
})

test('an item that wants to be visited at once waits for the next tick', () => {
  const { clock, wheel } = setUp()
  const visits: number[] = []
  wheel.add(visitor(visits, 0), start)
  clock.advance(4 * tickMs)
  assert.deepEqual(visits, [250, 500, 750, 1000])
})

test('what is due in one tick is all visited, what is added meanwhile in the next', () => {
  const { clock, wheel } = setUp()
  const visits: number[] = []
  for (let count = 0; count < 1000; count += 1) wheel.add(visitor(visits), start + 100)
  const adding = { due: () => wheel.add(visitor(visits), start), leave: () => {} }
  wheel.add(adding as unknown as DueItem, start + 100)
  clock.advance(tickMs)
  assert.equal(visits.length, 1000)
  clock.advance(tickMs)
  assert.equal(visits.length, 1001)
})

/** A clock that jumps: timers run late and all at once, as after a laptop's sleep. */
class JumpingClock implements Clock {
  time = start
  #run: () => void = () => {}

  now(): number {
    return this.time
  }

  after(_: number, run: () => void): () => void {
    this.#run = run
    return () => {}
  }

  jump(ms: number): void {
    this.time += ms
    this.#run()
  }
}

test('after a jump of the clock everything missed is visited once, the oldest first', () => {
  const clock = new JumpingClock()
  const wheel = new DueWheel(clock)
  const order: number[] = []
  for (const at of [7_200_000, 500, 3_600_000, 1000, 2_000_000_000]) {
    wheel.add({ due: () => void order.push(at), leave: () => {} }, start + at)
  }
  clock.jump(86_400_000)
  assert.deepEqual(order, [500, 1000, 3_600_000, 7_200_000])
  clock.jump(tickMs)
  assert.equal(order.length, 4)
})

test('a clock that is set back delays no visit and repeats none', () => {
  const wall = new JumpingClock()
  const clock = new SteadyClock(wall)
  const wheel = new DueWheel(clock)
  const visits: number[] = []
  wheel.add(visitor(visits, 10_000), start + 1000)
  wall.jump(1000)
  assert.deepEqual(visits, [1000])
  wall.jump(-3_600_000)
  for (let ticks = 0; ticks < 80; ticks += 1) wall.jump(tickMs)
  assert.deepEqual(visits, [1000, 11_000, 21_000])
  assert.equal(clock.setBackMs, 3_600_000)
  assert.equal(clock.now(), start + 21_000)
})

test('items are all that is in the wheel, and none when it has stopped', () => {
  const { clock, wheel } = setUp()
  const items = [visitor([]), visitor([]), visitor([])]
  for (const [at, item] of items.entries()) wheel.add(item, start + 1000 * at)
  assert.deepEqual(new Set(wheel.items()), new Set(items))
  wheel.stop()
  assert.deepEqual([...wheel.items()], [])
  assert.equal(clock.pending, 0)
})

test('an item that throws is ended, told of, and keeps no other from its visit', () => {
  const clock = new FakeClock(start)
  const errors: unknown[] = []
  const wheel = new DueWheel(clock, (error) => errors.push(error))
  let ends = 0
  const throwing: DueItem = {
    due: () => {
      throw new Error('due')
    },
    leave: () => {
      ends += 1
      throw new Error('leave')
    },
  }
  const visits: number[] = []
  wheel.add(throwing, start + 100)
  wheel.add(visitor(visits, 1000), start + 100)
  clock.advance(3000)
  assert.deepEqual(errors.map(String), ['Error: due', 'Error: leave'])
  assert.equal(ends, 1)
  assert.deepEqual(visits, [250, 1250, 2250])
})
