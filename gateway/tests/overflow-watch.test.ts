/** What overflows is logged once per stretch, with its number at the end. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counters } from '../counters.js'
import { Log } from '../log.js'
import { watchOverflows } from '../overflow-watch.js'
import { FakeClock } from './fake-clock.js'
import { idleHistory } from './idle-history.js'

test('refusals and evictions become two lines a stretch, however many there are', () => {
  const lines: Record<string, unknown>[] = []
  const log = new Log('info', {
    write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>),
  })
  const clock = new FakeClock()
  const counters = new Counters()
  const rings = { bytes: 0, count: 0, evictions: 3 }
  const hub = {
    counters: {
      publicationsReceived: 0,
      deliveries: 0,
      publicationsTooLarge: 0,
      publicationsBadChannel: 0,
    },
    rings,
    isConnected: true,
    interestCount: 0,
    lingeringCount: 0,
    durable: idleHistory(),
  }
  const end = watchOverflows(log, clock, counters, hub)
  clock.advance(5_000)
  assert.equal(lines.length, 0)
  for (let second = 0; second < 20; second += 1) {
    for (let at = 0; at < 100; at += 1) counters.refuse('overloaded')
    clock.advance(1_000)
  }
  rings.evictions += 1
  clock.advance(30_000)
  assert.deepEqual(
    lines.map(({ event, phase, count }) => [event, phase, count]),
    [
      ['connections_refused', 'begin', undefined],
      ['rings_evicted', 'begin', undefined],
      ['connections_refused', 'end', 2000],
      ['rings_evicted', 'end', 1],
    ],
  )
  end()
  assert.equal(clock.pending, 0)
})
