/** A Chromium whose tabs may be hidden and frozen, which playwright prevents in those it starts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type BrowserContext } from 'playwright-core'
import { findChromium } from '../../client/tests/browser.js'
import type { TestScope } from '../../hub/tests/nats-server.js'
import { until } from '../../hub/tests/until.js'

/** Its one profile; it ends with the scope. */
export async function launchSleepyBrowser(scope: TestScope): Promise<BrowserContext> {
  const profile = mkdtempSync(join(tmpdir(), 'tidegate-chromium-'))
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-sync']
  const quiet = ['--disable-background-networking', '--disable-component-update']
  const own = ['--remote-debugging-port=0', `--user-data-dir=${profile}`]
  const child = spawn(findChromium(), [...flags, ...quiet, ...own], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text))
  const address = await until(() => /ws:\/\/\S+/.exec(said)?.[0], 30_000)
  const browser = await chromium.connectOverCDP(address, { noDefaults: true })
  scope.after(async () => {
    const exit = once(child, 'exit')
    const devTools = await browser.newBrowserCDPSession()
    // As it goes, the connection goes before the answer.
    await devTools.send('Browser.close').catch(() => undefined)
    await exit
    await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })
  const [context] = browser.contexts()
  if (context === undefined) throw new Error('Chromium has no profile')
  return context
}
