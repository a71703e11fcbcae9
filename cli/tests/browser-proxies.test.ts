/** The SDK in Chromium behind proxies that let less and less through: it goes on, without loss. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { launchBrowser } from '../../client/tests/browser.js'
import type { TransportName } from '../../client/transport.js'
import { SdkScene } from './sdk-scene.js'

const bounded = { timeout: 180_000 }

let browser: Browser

before(async () => {
  browser = await launchBrowser()
})

after(() => browser?.close())

interface Proxy {
  readonly promise: string
  readonly blocks: Partial<Pick<SdkScene['box'], 'blocksUpgrades' | 'buffersStreams'>>
  readonly transport: TransportName
}

const proxies: readonly Proxy[] = [
  {
    promise: 'a proxy that begins to block upgrades makes a page stream',
    blocks: { blocksUpgrades: true },
    transport: 'event-stream',
  },
  {
    promise: 'one that holds streams back as well makes it poll',
    blocks: { blocksUpgrades: true, buffersStreams: true },
    transport: 'long-poll',
  },
]

// They wait for most of the time.
describe('behind a proxy', { concurrency: true }, () => {
  for (const { promise, blocks, transport } of proxies) {
    test(`${promise}, from where it was`, bounded, async (t) => {
      const scene = await SdkScene.start(t)
      const context = await browser.newContext()
      t.after(() => context.close())
      const page = await scene.page(context, 'page', { isInHaste: true })
      await scene.untilUp()
      assert.equal(page.transport, 'websocket')
      scene.publish()
      await scene.untilHeard(100)
      Object.assign(scene.box, blocks)
      scene.box.cut()
      await scene.until(`it is connected by ${transport}`, [page], (each) => {
        return each.transport === transport
      })
      await scene.untilHeard(100)
      await scene.assertFlawless()
      assert.deepEqual(page.connections, ['websocket', transport])
    })
  }
})
