/** What the log is told of the histories: a long scan by its own name, the rest as theirs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Log } from '../../gateway/log.js'
import { historyEventLog } from '../node-log.js'

test('a long scan is a warning with what it passed and how long it took', () => {
  const written: string[] = []
  const tell = historyEventLog(new Log('info', { write: (line) => void written.push(line) }))
  const scan = { namespace: 'orders', durationMs: 1_500, publications: 51_000 }
  tell({ type: 'long_scan', ...scan })
  tell({ type: 'available', namespace: 'orders' })
  const [long, available] = written.map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.deepEqual({ ...long, time: '' }, { level: 'warn', time: '', event: 'long_scan', ...scan })
  assert.deepEqual(
    [available?.['event'], available?.['namespace']],
    ['history_available', 'orders'],
  )
})
