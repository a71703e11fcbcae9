/** The demo page in headless Chromium against the development start, on each transport. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { after, before, test, type TestContext } from 'node:test'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { launchBrowser } from '../../client/tests/browser.js'
import { startDemo, type DemoServer } from './demo-server.js'

const screenshots = fileURLToPath(new URL('../../screenshots/', import.meta.url))

/** What only this transport puts on the wire. */
const transports = [
  { name: 'websocket', label: 'WebSocket', wire: '{"type":"publication"' },
  { name: 'event-stream', label: 'SSE', wire: 'id: ' },
  { name: 'long-poll', label: 'Long-poll', wire: '"wait":25}' },
  { name: 'short-poll', label: 'Short-poll', wire: '"wait":0}' },
] as const

const desk = { viewport: { width: 1280, height: 860 }, colorScheme: 'light' } as const
const phone = { viewport: { width: 360, height: 740 }, colorScheme: 'dark' } as const

let demo: DemoServer
let browser: Browser

before(async () => {
  demo = await startDemo()
  browser = await launchBrowser()
  mkdirSync(screenshots, { recursive: true })
})

after(async () => {
  await browser?.close()
  await demo?.close()
})

interface OpenPage {
  readonly page: Page
  /** Console errors, exceptions, and requests to other hosts. */
  readonly faults: string[]
}

async function open(
  t: TestContext,
  transport: string,
  options: BrowserContextOptions = desk,
): Promise<OpenPage> {
  const context = await browser.newContext(options)
  t.after(() => context.close())
  const page = await context.newPage()
  const faults: string[] = []
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') faults.push(message.text())
  })
  page.on('pageerror', (error) => faults.push(error.message))
  page.on('request', (request) => {
    if (!request.url().startsWith(demo.url)) faults.push(`asked ${request.url()}`)
  })
  page.on('websocket', (socket) => {
    if (new URL(socket.url()).host !== new URL(demo.url).host) faults.push(socket.url())
  })
  await page.goto(`${demo.url}?transport=${transport}`)
  return { page, faults }
}

/** Until the line of this stock has `count` points. */
async function untilDrawn(page: Page, count: number): Promise<void> {
  await page.waitForFunction((least) => {
    const line = document.querySelector('.series-MSFT .stroke')?.getAttribute('d') ?? ''
    return line.split('L').length >= least
  }, count)
}

async function delaysOf(page: Page, transport: string): Promise<string[]> {
  await page.waitForSelector(`tr[data-transport="${transport}"][aria-current]`)
  return page.locator(`tr[data-transport="${transport}"] td`).allTextContents()
}

for (const { name, label, wire } of transports) {
  for (const [device, options] of Object.entries({ desk, phone })) {
    const { width } = options.viewport
    const promise = `${label}: lines, wire and delay are shown in a window of ${width} px`
    test(`${promise}, ${options.colorScheme}`, async (t) => {
      const { page, faults } = await open(t, name, options)
      await untilDrawn(page, 6)
      assert.equal(await page.locator('#status').textContent(), 'Live')
      for (const delay of await delaysOf(page, name)) assert.match(delay, /^[\d.]+ m?s$/)
      await page.locator('#wire').getByText(wire).first().waitFor()
      const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth)
      assert.ok(scrollWidth <= width, `the page is ${scrollWidth} px wide`)
      assert.deepEqual(faults, [])
      const path = `${screenshots}${device}-${options.colorScheme}-${name}.png`
      await page.screenshot({ path, fullPage: true })
      t.diagnostic(`screenshot: ${path}`)
    })
  }
}

test('the switch works by keyboard, and the lines go on over the next transport', async (t) => {
  const { page, faults } = await open(t, 'websocket')
  await untilDrawn(page, 3)
  await page.getByRole('radio', { name: 'WebSocket' }).focus()
  for (const { name, label } of transports.slice(1)) {
    await page.keyboard.press('ArrowRight')
    assert.ok(await page.getByRole('radio', { name: label }).isChecked())
    await page.waitForFunction(
      (transport) =>
        document.querySelector(`tr[data-transport="${transport}"] td`)?.textContent !== '–',
      name,
    )
  }
  await untilDrawn(page, 5)
  assert.deepEqual(faults, [])
})

test('the token of the page never shows in what it shows of the wire', async (t) => {
  const { page } = await open(t, 'event-stream')
  await untilDrawn(page, 2)
  const shown = (await page.locator('#wire').textContent()) ?? ''
  assert.match(shown, /POST \/v1\/events/)
  assert.doesNotMatch(shown, /eyJ/)
})

test('Pause keeps the wire still to be read, and Resume lets it go on', async (t) => {
  const { page } = await open(t, 'websocket')
  await untilDrawn(page, 2)
  await page.getByRole('button', { name: 'Pause' }).click()
  const still = await page.locator('#wire').textContent()
  await untilDrawn(page, 4)
  assert.equal(await page.locator('#wire').textContent(), still)
  await page.getByRole('button', { name: 'Resume' }).click()
  await page.waitForFunction(
    (before) => document.querySelector('#wire')?.textContent !== before,
    still,
  )
})
