#!/usr/bin/env node
/** The `tidegate` command: runs what is compiled, or says how to compile it. */
import { existsSync } from 'node:fs'

const main = new URL('../build/cli/main.js', import.meta.url)
if (existsSync(main)) {
  await import(main.href)
} else {
  console.error('Tidegate is not compiled yet. Run: npm install && npm run build')
  process.exitCode = 1
}
