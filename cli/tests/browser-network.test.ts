/** The SDK in Chromium, by each transport, while the network goes and the tab sleeps. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { launchBrowser } from '../../client/tests/browser.js'
import type { PageClient } from './audited-client.js'
import { SdkScene, transportNames } from './sdk-scene.js'
import { launchSleepyBrowser } from './sleepy-browser.js'

const bounded = { timeout: 180_000 }
/** Two first waits of a reconnect, with time for a slow machine. */
const wakeMsMax = 15_000

let browser: Browser

before(async () => {
  browser = await launchBrowser()
})

after(() => browser?.close())

async function setOffline(pages: readonly PageClient[], offline: boolean): Promise<void> {
  const network = { offline, latency: 0, downloadThroughput: -1, uploadThroughput: -1 }
  for (const { devTools } of pages) {
    await devTools.send('Network.emulateNetworkConditions', network)
  }
}

test(
  'a network that is gone for seconds costs a page nothing, whatever it does to connections',
  bounded,
  async (t) => {
    const scene = await SdkScene.start(t)
    const pages = await scene.pages(browser)
    scene.publish()
    await scene.untilHeard(100)
    await setOffline(pages, true)
    await scene.untilAcknowledged(150)
    for (const page of pages) {
      const { subscriber, isUp, problems } = await page.refresh()
      t.diagnostic(`${subscriber}: ${isUp ? 'not cut' : 'cut'}; ${problems.join(', ')}`)
    }
    // Chromium holds frames of open WebSockets back, and lets open streams be.
    scene.box.cut()
    await scene.until('all have noticed', pages, ({ isUp }) => !isUp)
    await scene.untilAcknowledged(150)
    await setOffline(pages, false)
    await scene.untilUp()
    await scene.untilHeard(100)
    await scene.assertFlawless()
    for (const { subscriber, connections } of pages) {
      assert.deepEqual(connections, [subscriber, subscriber])
    }
  },
)

async function countEvents(pages: readonly PageClient[]): Promise<readonly number[]> {
  for (const page of pages) await page.refresh()
  return pages.map(({ events }) => events.length)
}

/** Each in a tab of its own, of which one can be seen. */
async function openTabs(scene: SdkScene, browserScope: Parameters<typeof launchSleepyBrowser>[0]) {
  const context = await launchSleepyBrowser(browserScope)
  const pages: PageClient[] = []
  for (const name of transportNames) {
    pages.push(await scene.page(context, name, { transports: [name] }))
  }
  await scene.untilUp()
  const cover = await context.newPage()
  return { pages, cover }
}

test('a tab that is frozen for seconds has everything soon after it wakes', bounded, async (t) => {
  // As they are by default: a tab that waits for the next to be missed is late.
  const scene = await SdkScene.start(t, { TIDEGATE_HEARTBEAT_SECONDS: '30' })
  const { pages } = await openTabs(scene, t)
  scene.publish()
  await scene.untilHeard(100)
  for (const { devTools } of pages) {
    await devTools.send('Page.setWebLifecycleState', { state: 'frozen' })
  }
  const before = await countEvents(pages)
  await scene.untilAcknowledged(400)
  assert.deepEqual(await countEvents(pages), before, 'a tab was awake')
  const wokenAt = performance.now()
  for (const { page, devTools } of pages) {
    await devTools.send('Page.setWebLifecycleState', { state: 'active' })
    await page.bringToFront()
  }
  // More than what may have been on its way to a tab as it fell asleep.
  await scene.untilHeard(400)
  const wakeMs = performance.now() - wokenAt
  t.diagnostic(`all have everything ${Math.round(wakeMs)} ms after they woke`)
  assert.ok(wakeMs < wakeMsMax)
  await scene.assertFlawless()
})

test('a hidden tab with slow timers misses nothing, nor when it is cut', bounded, async (t) => {
  const scene = await SdkScene.start(t)
  const { pages, cover } = await openTabs(scene, t)
  await cover.bringToFront()
  for (const { page } of pages) {
    await page.waitForFunction('document.visibilityState === "hidden"')
  }
  scene.publish()
  await scene.untilHeard(200)
  scene.box.cut()
  // A poll whose connection breaks before its answer is sent again by Chromium itself.
  await scene.until('they have noticed', pages.slice(0, 2), ({ connections, isUp }) => {
    return !isUp || connections.length > 1
  })
  await scene.untilAcknowledged(100)
  for (const { page } of pages) await page.bringToFront()
  await scene.untilUp()
  await scene.untilHeard(100)
  await scene.assertFlawless()
})
