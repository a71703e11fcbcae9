/** `npm run bench`: set-up, then the benchmarks of loadtest/, with the options given. */
import { ensureNatsServer } from './programs.mjs'
import { runMain, setUp } from './setup.mjs'
import { endAll, runNode } from './steps.mjs'

// A terminal's Ctrl-C reaches the benchmark by itself; it cleans up, and this waits for it.
process.on('SIGINT', () => {})
process.on('SIGTERM', endAll)

await runMain(async () => {
  await setUp()
  await ensureNatsServer()
  process.exitCode = await runNode(['build/loadtest/bench.js', ...process.argv.slice(2)])
})
