/** The SDK under chance: what an application hears is what was published, or a gap says so. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { run, schedule } from './model-schedule.js'

// By hand: SEED=7 RUNS=5000 node --test build/client/tests/model.test.js
const seed = Number(process.env['SEED'] ?? 1)
const numRuns = Number(process.env['RUNS'] ?? 300)

test('whatever fails, what is heard is what was published, or a gap says so', async () => {
  const property = fc.asyncProperty(schedule, async (each) => {
    assert.deepEqual(await run(each), [])
  })
  await fc.assert(property, { seed, numRuns, includeErrorInReport: true })
})
