/** A page that is left open does not grow, whatever it does with the SDK. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { launchBrowser } from '../../client/tests/browser.js'
import { describeGrowth, measureHeaps } from './heap-churn.js'

/** A few hundred channels and clients that are kept would be more. */
const growthBytesMax = 100 * 1024

let browser: Browser

before(async () => {
  browser = await launchBrowser()
})

after(() => browser?.close())

test(
  'under churn the heap of a page stays as it is, by each transport',
  { timeout: 180_000 },
  async (t) => {
    const options = { warmUpSeconds: 10, seconds: 40, samples: 6, cutSeconds: 3 }
    for (const growth of await measureHeaps(t, browser, options)) {
      t.diagnostic(describeGrowth(growth))
      const grown = growth.endBytes - growth.startBytes
      assert.ok(grown < growthBytesMax, `${growth.transport} grew by ${grown} bytes`)
    }
  },
)
