/** The log: one JSON line a state change, no token, and one report a stretch of trouble. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeError, Log } from '../log.js'
import { FakeClock } from './fake-clock.js'

function record(level: 'info' | 'error' = 'info'): { log: Log; lines: () => unknown[] } {
  const written: string[] = []
  const log = new Log(level, { write: (line) => void written.push(line) })
  return { log, lines: () => written.map((line) => JSON.parse(line) as unknown) }
}

test('a line is one JSON object with time, level and event', () => {
  const { log, lines } = record()
  log.write({ event: 'started', port: 8080 })
  const [line] = lines() as [Record<string, unknown>]
  assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
  assert.deepEqual({ ...line, time: '' }, { level: 'info', time: '', event: 'started', port: 8080 })
})

test('the level of an event is fixed, and those below the configured one are left out', () => {
  const { log, lines } = record('error')
  log.write({ event: 'started' })
  log.write({ event: 'nats_disconnected' })
  log.write({ event: 'keys_failed', message: 'gone' })
  assert.deepEqual(
    lines().map((line) => (line as { event: string }).event),
    ['keys_failed'],
  )
})

test('a token that gets into a message or a stack does not get into the log', () => {
  const { log, lines } = record()
  const token = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZQ'
  log.write({ event: 'internal_error', ...describeError(new Error(`bad ?token=${token}&a=1`)) })
  const text = JSON.stringify(lines())
  assert.doesNotMatch(text, /eyJ|c2lnbmF0/)
  assert.match(text, /bad \?token=\[token\]&a=1/)
})

test('a stretch of trouble is logged when it begins, and with its count once it is quiet', () => {
  const { log, lines } = record()
  const clock = new FakeClock()
  const stretch = log.stretch(clock, 'deliveries_dropped')
  for (let at = 0; at < 1000; at += 1) {
    stretch.hit()
    clock.advance(50)
  }
  assert.equal(lines().length, 1)
  assert.equal(clock.pending, 1)
  clock.advance(9_949)
  assert.equal(lines().length, 1)
  clock.advance(1)
  assert.equal(lines().length, 2)
  assert.equal(clock.pending, 0)
  const [begin, end] = lines() as [Record<string, unknown>, Record<string, unknown>]
  assert.equal(begin['phase'], 'begin')
  assert.deepEqual([end['phase'], end['count'], end['durationMs']], ['end', 1000, 49_950])
})

test('trouble after a quiet time is a new stretch', () => {
  const { log, lines } = record()
  const clock = new FakeClock()
  const stretch = log.stretch(clock, 'deliveries_dropped')
  stretch.hit()
  clock.advance(10_000)
  stretch.hit()
  clock.advance(10_000)
  assert.deepEqual(
    lines().map((line) => (line as { phase: string }).phase),
    ['begin', 'end', 'begin', 'end'],
  )
})
