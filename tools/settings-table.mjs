/** Rewrites the table of settings in README.md from the schema. Wants a build: `npm run build`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { withSettingsTable } from '../build/gateway/settings-table.js'

const path = new URL('../README.md', import.meta.url)
writeFileSync(path, withSettingsTable(readFileSync(path, 'utf8')))
