/** The SDK in Chromium, by each transport, while its nodes and its tokens come and go. */
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { launchBrowser } from '../../client/tests/browser.js'
import { scenarios } from './sdk-scenarios.js'

const bounded = { timeout: 120_000 }

let browser: Browser

before(async () => {
  browser = await launchBrowser()
})

after(() => browser?.close())

for (const { promise, run } of scenarios) {
  test(`in pages, ${promise}`, bounded, (t) => run(t, (scene) => scene.pages(browser)))
}
