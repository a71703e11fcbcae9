/** What the page says of an absence, without a browser. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AbsenceMeter } from '../stocks/absence.js'
import { recoverySentence } from '../stocks/recovery-panel.js'

/** The node's clock is 5 s ahead of the page's, and a publication takes 20 ms at least. */
function start(): { meter: AbsenceMeter; live: (offset: number, now: number) => number } {
  const meter = new AbsenceMeter()
  const live = (offset: number, now: number) => {
    return meter.take({ channel: 'stocks.A', offset, time: now + 5_000 - 20 }, now)
  }
  assert.equal(live(1, 100), 0)
  assert.equal(live(4, 200), 0)
  return { meter, live }
}

test('what was stored before the page was back was missed, whatever the clocks say', () => {
  const { meter, live } = start()
  meter.leave()
  meter.ask(300)
  meter.ask(900)
  meter.comeBack(1_000)
  meter.welcomed()
  for (const [offset, stored] of [
    [6, 250],
    [9, 990],
  ] as const) {
    const time = stored + 5_000 - 20
    assert.equal(meter.take({ channel: 'stocks.A', offset, time }, 1_012), 1)
  }
  assert.equal(meter.news(), undefined, 'more may come')
  assert.equal(live(12, 1_100), 0)
  const recovery = meter.news()
  assert.deepEqual(recovery, {
    absence: 1,
    count: 2,
    tookMs: 112,
    isDurable: true,
    stretches: [{ channel: 'stocks.A', count: 2, from: 4, to: 9 }],
    gaps: [],
  })
  assert.equal(meter.news(), undefined, 'it is told once')
  assert.equal(
    recoverySentence(recovery, 'SSE'),
    'Recovered 2 prices from the history in 112 ms by SSE, nothing lost.',
  )
})

test('what comes in one answer with the welcome was missed, however late all else comes', () => {
  const meter = new AbsenceMeter()
  const take = (offset: number, stored: number, now: number) => {
    return meter.take({ channel: 'stocks.A', offset, time: stored + 5_000 }, now)
  }
  // Short polls: of two seconds nothing came within 800 ms.
  assert.deepEqual([take(1, 100, 1_000), take(2, 1_200, 2_000)], [0, 0])
  meter.leave()
  meter.ask(5_990)
  meter.comeBack(6_000)
  assert.deepEqual([take(3, 3_000, 6_001), take(4, 5_950, 6_001)], [1, 1])
  meter.welcomed()
  assert.equal(take(5, 6_100, 7_000), 0)
  assert.deepEqual(meter.news()?.stretches, [{ channel: 'stocks.A', count: 2, from: 2, to: 4 }])
})

test('what is lost is told, and nothing else is claimed', () => {
  const { meter, live } = start()
  meter.leave()
  meter.comeBack(1_000)
  meter.welcomed()
  meter.gap('what lay between is lost')
  live(30, 1_100)
  const recovery = meter.news()
  assert.ok(recovery)
  assert.deepEqual(recovery.gaps, ['what lay between is lost'])
  assert.doesNotMatch(recoverySentence(recovery, 'SSE'), /nothing lost/)
})

test('where nothing was missed the page says so, and where no history is, too', () => {
  const { meter, live } = start()
  meter.leave()
  meter.comeBack(1_000)
  meter.welcomed()
  live(5, 1_100)
  const recovery = meter.news()
  assert.ok(recovery)
  assert.equal(recoverySentence(recovery, 'SSE'), 'Back. Nothing was missed.')

  meter.leave()
  meter.comeBack(2_000)
  meter.welcomed()
  meter.take({ channel: 'stocks.A', time: 7_000 }, 2_100)
  const without = meter.news()
  assert.ok(without)
  assert.match(recoverySentence(without, 'SSE'), /keep no history/)
})
