/** The readers of /proc, on literal text and on this very process. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { cpuNs, memoryOf, parseSchedstat, parseSmapsRollup } from '../proc-stat.js'

test('the CPU time of a thread is the first number of its schedstat', () => {
  assert.equal(parseSchedstat('61075595 1079709 8\n'), 61_075_595)
  assert.throws(() => parseSchedstat('61075595'), /schedstat/)
})

test('resident and anonymous memory are read out of smaps_rollup', () => {
  const text = [
    '5579d1704000-7fffe5025000 ---p 00000000 00:00 0                          [rollup]',
    'Rss:                1768 kB',
    'Pss:                 323 kB',
    'Anonymous:           112 kB',
    '',
  ].join('\n')
  assert.deepEqual(parseSmapsRollup(text), {
    residentBytes: 1768 * 1024,
    anonymousBytes: 112 * 1024,
  })
  assert.throws(() => parseSmapsRollup('Pss: 1 kB'), /Rss/)
})

test('the CPU time of a process that works rises as fast as its own account says', () => {
  const before = cpuNs(process.pid)
  const own = process.cpuUsage()
  let sum = 0
  while (process.cpuUsage(own).user + process.cpuUsage(own).system < 50_000) sum += 1
  const usedMs = (cpuNs(process.pid) - before) / 1e6
  assert.ok(usedMs > 40 && usedMs < 500, `${usedMs} ms after ${sum} turns`)
})

test('memory that is held is seen', () => {
  const before = memoryOf(process.pid).residentBytes
  const held = Buffer.alloc(32 * 1024 * 1024, 1)
  const grown = memoryOf(process.pid).residentBytes - before
  assert.ok(grown > 30 * 1024 * 1024, `${grown} bytes for ${held.length}`)
})
