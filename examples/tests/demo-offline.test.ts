/** The demo page goes offline and comes back, in headless Chromium, on each transport. */
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { after, before, test, type TestContext } from 'node:test'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { launchBrowser } from '../../client/tests/browser.js'
import { startDemo, type DemoServer } from './demo-server.js'

const screenshots = fileURLToPath(new URL('../../screenshots/', import.meta.url))
const desk = { viewport: { width: 1280, height: 940 }, colorScheme: 'light' } as const
const phone = { viewport: { width: 360, height: 740 }, colorScheme: 'dark' } as const

const transports = [
  { name: 'websocket', label: 'WebSocket', device: 'desk', options: desk },
  { name: 'event-stream', label: 'SSE', device: 'phone', options: phone },
  { name: 'long-poll', label: 'Long-poll', device: 'desk', options: desk },
  { name: 'short-poll', label: 'Short-poll', device: 'phone', options: phone },
] as const

/** Prices of each stock that are published while the page is offline. */
const missedMin = 4

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

interface Stored {
  readonly offset: number
}

interface PollAnswer {
  readonly cursor: string
  readonly publications: readonly unknown[]
}

async function ask<Answer>(url: string, path: string): Promise<Answer> {
  const answer = await fetch(new URL('demo/token', url))
  const { token } = (await answer.json()) as { readonly token: string }
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(new URL(path, url), { headers })
  assert.equal(response.status, 200)
  return (await response.json()) as Answer
}

/** What the node keeps of a stock after this offset, asked as anybody may. */
async function historyOf(url: string, after: number): Promise<Stored[]> {
  const path = `v1/history?channel=stocks.MSFT&after=${after}&limit=1000`
  return (await ask<{ readonly publications: Stored[] }>(url, path)).publications
}

/** Until so many prices of a stock have been published. */
async function untilPublished(url: string, count: number): Promise<void> {
  let query = ''
  for (let seen = 0; seen < count;) {
    const path = `v1/events?channels=stocks.MSFT${query}`
    const { cursor, publications } = await ask<PollAnswer>(url, path)
    query = `&cursor=${cursor}`
    seen += publications.length
  }
}

async function open(
  t: TestContext,
  url: string,
  transport: string,
  options: BrowserContextOptions,
): Promise<Page> {
  const context = await browser.newContext(options)
  t.after(() => context.close())
  const page = await context.newPage()
  await page.goto(`${url}?transport=${transport}`)
  // Something has come of the stock that is looked at, so its position is known.
  await page.locator('.stretches .series-MSFT .offsets', { hasText: /^at \d/ }).waitFor()
  return page
}

/** Goes offline by keyboard; resolves with the place of the stock that is looked at. */
async function goOffline(page: Page): Promise<number> {
  await page.getByRole('button', { name: 'Go offline' }).focus()
  await page.keyboard.press('Enter')
  assert.equal(await page.locator('#status').textContent(), 'Offline')
  const place = await page.locator('.stretches .series-MSFT .offsets').textContent()
  return Number(place?.replace('at ', ''))
}

interface Shown {
  readonly sentence: string
  readonly count: number
  readonly from: number
  readonly to: number
  readonly sum: number
}

async function recovered(page: Page): Promise<Shown> {
  const sentence = await page.waitForFunction(() => {
    const text = document.querySelector('#recovery .sentence')?.textContent ?? ''
    return /^(?:Recovered|Back)/.test(text) && text
  })
  const numbers = async (selector: string) => {
    const texts = await page.locator(selector).allTextContents()
    return texts.flatMap((text) => text.match(/\d+/g) ?? []).map(Number)
  }
  const [count = 0] = await numbers('.stretches .series-MSFT .count')
  const [from = 0, to = 0] = await numbers('.stretches .series-MSFT .offsets')
  const all = await numbers('.stretches .count')
  const sum = all.reduce((total, each) => total + each, 0)
  return { sentence: String(await sentence.jsonValue()), count, from, to, sum }
}

/** The pieces of a line, and the points of all of them. */
async function lineOf(page: Page, part: string): Promise<{ pieces: number; points: number }> {
  const d = (await page.locator(`#chart .series-MSFT ${part}`).getAttribute('d')) ?? ''
  return { pieces: d.split('M').length - 1, points: d.split(/[ML]/).length - 1 }
}

for (const { name, label, device, options } of transports) {
  test(`${label}: back online, everything that was missed is there`, async (t) => {
    const page = await open(t, demo.url, name, options)
    const at = await goOffline(page)
    while ((await historyOf(demo.url, at)).length < missedMin) await untilPublished(demo.url, 1)
    await page.getByRole('button', { name: 'Go online' }).click()
    const shown = await recovered(page)
    assert.match(
      shown.sentence,
      /^Recovered \d+ prices from the history in \d+ ms by \S+, nothing lost\.$/,
    )
    assert.equal(shown.sum, Number(/\d+/.exec(shown.sentence)?.[0]))
    assert.equal(shown.from, at)
    const kept = await historyOf(demo.url, at)
    const missed = kept.filter(({ offset }) => offset <= shown.to)
    assert.equal(shown.count, missed.length)
    assert.ok(shown.count >= missedMin, `${shown.count} are too few`)
    assert.equal((await lineOf(page, '.stroke')).pieces, 1, 'no month is missing')
    assert.equal((await lineOf(page, '.recovered')).points, shown.count + 1)
    assert.equal(await page.locator('#status').textContent(), 'Live')
    const { width } = options.viewport
    const scrollWidth = await page.evaluate(() => document.documentElement.scrollWidth)
    assert.ok(scrollWidth <= width, `the page is ${scrollWidth} px wide`)
    const path = `${screenshots}recovered-${device}-${options.colorScheme}-${name}.png`
    await page.screenshot({ path, fullPage: true })
    t.diagnostic(`screenshot: ${path}`)
  })
}

test('who goes offline by one transport and comes back by another loses nothing', async (t) => {
  const page = await open(t, demo.url, 'short-poll', desk)
  for (const label of ['WebSocket', 'SSE', 'Long-poll', 'WebSocket']) {
    const at = await goOffline(page)
    await page.getByRole('radio', { name: label }).check()
    assert.equal(await page.locator('#status').textContent(), 'Offline')
    await untilPublished(demo.url, 2)
    await page.getByRole('button', { name: 'Go online' }).click()
    const shown = await recovered(page)
    assert.match(shown.sentence, /nothing lost\.$/, label)
    assert.equal(shown.from, at)
  }
  assert.equal((await lineOf(page, '.stroke')).pieces, 1, 'no month is missing')
})

test('who is away for longer than the history keeps is told what is lost', async (t) => {
  const namespaces = { stocks: { history: { messagesPerChannel: 3 } } }
  const short = await startDemo({
    TIDEGATE_NAMESPACES: JSON.stringify(namespaces),
    // Else the node's memory would have more than the history.
    TIDEGATE_RING_COUNT_MAX: '2',
  })
  t.after(() => short.close())
  const page = await open(t, short.url, 'websocket', desk)
  const at = await goOffline(page)
  await untilPublished(short.url, 5)
  await page.getByRole('button', { name: 'Go online' }).click()
  const { sentence } = await recovered(page)
  assert.match(
    sentence,
    /^Recovered \d+ prices from the history in \d+ ms by WebSocket, but not all:$/,
  )
  const lost = page.locator('#recovery .lost li', { hasText: 'stocks.MSFT' })
  assert.match((await lost.textContent()) ?? '', new RegExp(`offsets ${at} and \\d+ is lost`))
  assert.equal((await lineOf(page, '.stroke')).pieces, 2, 'the lost months are a break')
  const path = `${screenshots}lost-desk-light-websocket.png`
  await page.screenshot({ path, fullPage: true })
  t.diagnostic(`screenshot: ${path}`)
})
