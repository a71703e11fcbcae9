/** The README's table of settings is what the schema says. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { settingEntries } from '../config-schema.js'
import { settingsTable, withSettingsTable } from '../settings-table.js'

test('the README lists the settings as the schema has them (node tools/settings-table.mjs)', () => {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  assert.equal(readme, withSettingsTable(readme))
})

test('every setting has a row of its own', () => {
  const rows = settingsTable().split('\n').slice(2)
  assert.equal(rows.length, settingEntries.length)
  for (const row of rows) assert.match(row, /^\| `TIDEGATE_[A-Z_]+` \|(?: [^|]+ \|){3}$/)
})

test('a table that is out of date is replaced, and the text around it kept', () => {
  const old = '# A\n<!-- settings:begin -->\nold\n<!-- settings:end -->\nB\n'
  const written = withSettingsTable(old)
  assert.match(written, /^# A\n<!-- settings:begin -->\n\n/)
  assert.ok(written.endsWith('<!-- settings:end -->\nB\n'))
  assert.doesNotMatch(written, /old/)
  assert.equal(withSettingsTable(written), written)
})
