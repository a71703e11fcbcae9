/** Tabs of a real browser share one connection, whoever holds it, closes, or dies. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { launchBrowser } from '../../client/tests/browser.js'
import { startNats } from '../../hub/tests/nats-server.js'
import { until } from '../../hub/tests/until.js'
import { Middlebox } from './middlebox.js'
import { fileScope } from './processes.js'
import { mint, serve } from './spawned.js'

const bounded = { timeout: 120_000 }
const scope = fileScope()
const ways = ['worker', 'election'] as const
type Way = (typeof ways)[number]

/** What a page tells of one channel. */
interface Heard {
  readonly numbers: readonly number[]
  readonly gaps: readonly string[]
  readonly isSubscribed: boolean
}

/** An application: it opens what it is told to, and keeps what it hears. */
const pageSource = `
import { Tidegate } from './tidegate.js'
import { sharedTabs } from './tabs.js'

const heard = {}
let tidegate
globalThis.connect = (url, token, way) => {
  globalThis.tokensAsked = 0
  const worker = (name) => new SharedWorker('/worker.js', { type: 'module', name })
  tidegate = new Tidegate(url, {
    token: () => { globalThis.tokensAsked += 1; return token },
    transports: [sharedTabs(way === 'worker' ? { worker } : {})],
  })
}
globalThis.hold = (name) => {
  const of = (heard[name] = { numbers: [], gaps: [], isSubscribed: false })
  const channel = tidegate.channel(name)
  channel.on('subscribed', () => (of.isSubscribed = true))
  channel.on('publication', ({ publication }) => of.numbers.push(publication.data))
  channel.on('gap', (gap) => of.gaps.push(JSON.stringify(gap)))
}
globalThis.heardOf = (name) => heard[name]
globalThis.stateOf = () => tidegate.state
globalThis.close = () => tidegate.close()
`
const workerSource = `
import { serveTabs } from './tabs-worker.js'
serveTabs()
`

let browser: Browser
let origin: string

before(async () => {
  browser = await launchBrowser()
  const files = new Map([
    ['/page.js', await bundle(pageSource)],
    ['/worker.js', await bundle(workerSource)],
  ])
  const server = createServer(({ url = '/' }, answer) => {
    const script = files.get(url)
    answer.writeHead(200, { 'content-type': script ? 'text/javascript' : 'text/html' })
    answer.end(script ?? '<!doctype html><script type="module" src="/page.js"></script>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  scope.after(() => {
    server.closeAllConnections()
    server.close()
  })
})

after(() => browser?.close())

async function bundle(contents: string): Promise<string> {
  const resolveDir = fileURLToPath(new URL('../../client', import.meta.url))
  const { outputFiles } = await build({
    ...{ stdin: { contents, resolveDir }, bundle: true, format: 'esm', write: false },
  })
  return outputFiles[0]?.text ?? ''
}

/** A node behind a middlebox, a browser profile, and a publisher of numbers with acks. */
async function start(t: TestContext, way: Way) {
  const nats = await startNats(t, { jetStream: true })
  const namespaces = { default: {}, live: { history: false } }
  const { port } = await serve(t, {
    ...{ TIDEGATE_NATS_URL: nats.url, TIDEGATE_PROVISION: 'true' },
    ...{ TIDEGATE_ALLOWED_ORIGINS: origin, TIDEGATE_NAMESPACES: JSON.stringify(namespaces) },
  })
  const box = await Middlebox.start(t, port)
  const service = await nats.connect()
  const token = await mint(t, '--subscribe', '*', '--subscribe', 'live.*')
  const context = await browser.newContext()
  t.after(() => context.close())
  const counts = new Map<string, number>()
  const publish = async (channel: string, times = 1): Promise<void> => {
    for (let at = 0; at < times; at += 1) {
      const number = (counts.get(channel) ?? 0) + 1
      counts.set(channel, number)
      await service.request(`rt.pub.${channel}`, String(number), { timeout: 5_000 })
    }
  }
  const open = () => Tab.open(context, box.url, token, way)
  return { box, publish, open, context }
}

class Tab {
  readonly page: Page

  private constructor(page: Page) {
    this.page = page
  }

  static async open(context: BrowserContext, url: string, token: string, way: Way): Promise<Tab> {
    const page = await context.newPage()
    page.on('pageerror', (error) => console.error(String(error)))
    await page.goto(origin)
    await page.waitForFunction('globalThis.connect')
    await page.evaluate(`connect('${url}', '${token}', '${way}')`)
    return new Tab(page)
  }

  async hold(...names: readonly string[]): Promise<void> {
    for (const name of names) await this.page.evaluate(`hold('${name}')`)
    for (const name of names) await this.until(`heardOf('${name}').isSubscribed`)
  }

  heard(name: string): Promise<Heard> {
    return this.page.evaluate<Heard>(`heardOf('${name}')`)
  }

  async until(condition: string, timeout = 30_000): Promise<void> {
    try {
      await this.page.waitForFunction(condition, undefined, { timeout, polling: 20 })
    } catch (error) {
      const said = await this.page.evaluate('[stateOf(), heardOf("news")]')
      throw new Error(`not true: ${condition}; ${JSON.stringify(said)}`, { cause: error })
    }
  }

  /** It has heard everything, each once and in order, and nothing was lost. */
  async heardAll(name: string, from: number, to: number): Promise<void> {
    await this.until(`heardOf('${name}').numbers.includes(${to})`)
    const { numbers, gaps } = await this.heard(name)
    const wanted = Array.from({ length: to - from + 1 }, (_, at) => from + at)
    assert.deepEqual([numbers, gaps], [wanted, []])
  }

  close(): Promise<void> {
    return this.page.close()
  }

  /** As a renderer that runs out of memory does. */
  async crash(): Promise<void> {
    const session = await this.page.context().newCDPSession(this.page)
    const crashed = once(this.page as unknown as NodeJS.EventEmitter, 'crash')
    session.send('Page.crash').catch(() => undefined)
    await crashed
  }
}

for (const way of ways) {
  test(`three tabs have one connection, by ${way}`, bounded, async (t) => {
    const { box, publish, open } = await start(t, way)
    const tabs = [await open(), await open(), await open()]
    for (const tab of tabs) await tab.hold('news')
    await publish('news', 5)
    for (const tab of tabs) await tab.heardAll('news', 1, 5)
    assert.equal(box.counts.upgrade, 1)
    const asked = await Promise.all(tabs.map(({ page }) => page.evaluate<number>('tokensAsked')))
    assert.equal(
      asked.reduce((sum, count) => sum + count),
      1,
      'one of them was asked for a token',
    )
    for (const tab of tabs) {
      assert.deepEqual(await tab.page.evaluate('stateOf()'), {
        ...{ type: 'connected', transport: 'websocket' },
      })
    }
    for (const tab of tabs) await tab.page.evaluate('close()')
    await until(() => box.openSockets === 0)
  })

  for (const death of ['close', 'crash'] as const) {
    const what = death === 'close' ? 'closes' : 'crashes'
    test(`the tab that was first ${what} and nothing is lost, by ${way}`, bounded, async (t) => {
      const { box, publish, open } = await start(t, way)
      const [first, ...others] = [await open(), await open(), await open()]
      for (const tab of [first, ...others]) await tab.hold('news')
      await publish('news', 3)
      for (const tab of others) await tab.heardAll('news', 1, 3)
      const dead = first[death]()
      await publish('news', 50)
      await dead
      await publish('news', 50)
      for (const tab of others) await tab.heardAll('news', 1, 103)
      await until(() => box.openSockets === 1)
    })
  }

  test(
    `a tab that comes later begins live, and leaves the others alone, by ${way}`,
    bounded,
    async (t) => {
      const { box, publish, open } = await start(t, way)
      const first = await open()
      await first.hold('news', 'live.a')
      await publish('news', 3)
      const second = await open()
      await second.hold('news', 'sport')
      await publish('news', 3)
      await publish('sport', 2)
      await first.heardAll('news', 1, 6)
      await second.heardAll('news', 4, 6)
      await second.heardAll('sport', 1, 2)
      assert.equal(box.counts.upgrade, 1)
    },
  )
}
