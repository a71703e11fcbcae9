/** The limit of open files, as Linux writes it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connectionsCap, openFilesMaxGuess, parseFileLimit, readFileLimit } from '../file-limit.js'

const line = (soft: string): string =>
  `Limit                     Soft Limit           Hard Limit           Units     \n` +
  `Max open files            ${soft.padEnd(20)} 1048576              files     \n`

test('the soft limit counts, not the hard one', () => {
  assert.deepEqual(parseFileLimit(line('20000')), { openFilesMax: 20_000, isKnown: true })
})

test('no limit is a large one', () => {
  assert.deepEqual(parseFileLimit(line('unlimited')), { openFilesMax: 10_000_000, isKnown: true })
})

test('a limit that cannot be read is guessed, and said to be', () => {
  const guess = { openFilesMax: openFilesMaxGuess, isKnown: false }
  assert.deepEqual(parseFileLimit('something else'), guess)
  assert.deepEqual(readFileLimit('/no/such/file'), guess)
})

test('there is always room for the files that are no connections', () => {
  assert.equal(connectionsCap(100_000), 99_000)
  assert.equal(connectionsCap(1_024), 512)
  assert.equal(connectionsCap(1), 1)
})
