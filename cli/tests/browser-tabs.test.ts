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
const httpWays = ['event-stream', 'long-poll'] as const
/**
 * `missing`: a worker whose script is not there; `none`: a platform without any of it; transports:
 * an election of who has it.
 */
type Way = (typeof ways)[number] | (typeof httpWays)[number] | 'missing' | 'none'

/** What a page tells of one channel. */
interface Heard {
  readonly numbers: readonly number[]
  readonly gaps: readonly string[]
  readonly isSubscribed: boolean
}

/** An application: it opens what it is told to, and keeps what it hears. */
const pageSource = `
import { EventStreamTransport } from './event-stream-transport.js'
import { LongPollTransport } from './long-poll-transport.js'
import { Tidegate } from './tidegate.js'
import { sharedTabs } from './tabs.js'

const heard = {}
let tidegate
globalThis.connect = (url, token, way) => {
  globalThis.tokensAsked = 0
  const script = way === 'missing' ? '/missing.js' : '/worker.js'
  const worker = (name) => new SharedWorker(script, { type: 'module', name })
  if (way === 'none') Object.defineProperty(navigator, 'locks', { value: undefined })
  const options = {
    worker: { worker },
    missing: { worker },
    'event-stream': { transports: [new EventStreamTransport()] },
    'long-poll': { transports: [new LongPollTransport()] },
  }
  tidegate = new Tidegate(url, {
    token: () => { globalThis.tokensAsked += 1; return token },
    transports: [sharedTabs(options[way])],
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
  const namespaces = { default: {}, live: { history: false }, stocks: { patterns: true } }
  const env = {
    ...{ TIDEGATE_NATS_URL: nats.url, TIDEGATE_PROVISION: 'true' },
    ...{ TIDEGATE_ALLOWED_ORIGINS: origin, TIDEGATE_NAMESPACES: JSON.stringify(namespaces) },
  }
  const node = await serve(t, env)
  const box = await Middlebox.start(t, node.port)
  /** It dies, and another takes its place. */
  const replaceNode = async (): Promise<void> => {
    node.node.child.kill('SIGKILL')
    await node.node.exit()
    box.target = (await serve(t, env)).port
  }
  const service = await nats.connect()
  const token = await mint(t, '--subscribe', '*,live.*,stocks.*')
  const context = await browser.newContext()
  t.after(() => context.close())
  const counts = new Map<string, number>()
  const publish = async (channel: string, times = 1): Promise<void> => {
    for (let at = 0; at < times; at += 1) {
      const number = (counts.get(channel) ?? 0) + 1
      counts.set(channel, number)
      const subject = `rt.pub.${channel}`
      if (channel.startsWith('live.')) service.publish(subject, String(number))
      else await service.request(subject, String(number), { timeout: 5_000 })
    }
  }
  const open = () => Tab.open(context, box.url, token, way)
  return { box, publish, open, replaceNode }
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

  async leave(): Promise<void> {
    await this.page.goto('about:blank')
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

  for (const death of ['close', 'crash', 'leave'] as const) {
    const what = { close: 'closes', crash: 'crashes', leave: 'goes to another page' }[death]
    test(`the tab that was first ${what} and nothing is lost, by ${way}`, bounded, async (t) => {
      const { box, publish, open } = await start(t, way)
      const [first, ...others] = [await open(), await open(), await open()]
      for (const tab of [first, ...others]) await tab.hold('news', 'live.a', 'stocks.*')
      const publishBoth = async (count: number): Promise<void> => {
        for (const channel of ['news', 'stocks.a']) await publish(channel, count)
      }
      await publishBoth(3)
      for (const tab of others) await tab.heardAll('news', 1, 3)
      const dead = first[death]()
      await publishBoth(30)
      await dead
      await publishBoth(30)
      for (const tab of others) {
        for (const name of ['news', 'stocks.*']) await tab.heardAll(name, 1, 63)
      }
      await until(() => box.openSockets === 1)
      // A worker lives on if the tab only closes; else an ephemeral channel has missed something.
      const losses = way === 'worker' && death !== 'crash' ? 0 : 1
      for (const tab of others) {
        await tab.until(`heardOf('live.a').gaps.length === ${losses}`)
      }
    })
  }

  test(`a node dies and every tab goes on where it was, by ${way}`, bounded, async (t) => {
    const { box, publish, open, replaceNode } = await start(t, way)
    const tabs = [await open(), await open(), await open()]
    for (const tab of tabs) await tab.hold('news')
    await publish('news', 3)
    const replaced = replaceNode()
    await publish('news', 30)
    for (const tab of tabs) await tab.until("stateOf().type === 'waiting'")
    await replaced
    await publish('news', 30)
    for (const tab of tabs) await tab.heardAll('news', 1, 63)
    assert.equal(box.openSockets, 1)
  })

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

for (const way of httpWays) {
  test(`by ${way}, too, a tab that leads crashes without any loss`, bounded, async (t) => {
    const { publish, open } = await start(t, way)
    const [first, ...others] = [await open(), await open(), await open()]
    for (const tab of [first, ...others]) await tab.hold('news', 'live.a')
    for (let round = 0; round < 3; round += 1) await publish('news', 2)
    for (const tab of others) await tab.heardAll('news', 1, 6)
    const dead = first.crash()
    await publish('news', 20)
    await dead
    await publish('news', 20)
    for (const tab of others) await tab.heardAll('news', 1, 46)
    // A cursor covers ephemeral channels.
    await publish('live.a', 3)
    for (const tab of others) await tab.heardAll('live.a', 1, 3)
    const later = await open()
    await later.hold('news')
    await publish('news', 2)
    for (const tab of others) await tab.heardAll('news', 1, 48)
    await later.heardAll('news', 47, 48)
  })
}

test('a leader that is busy for long is relieved, and takes part again', bounded, async (t) => {
  const { box, publish, open } = await start(t, 'election')
  const [first, ...others] = [await open(), await open(), await open()]
  for (const tab of [first, ...others]) await tab.hold('news')
  const busy = first.page.evaluate('{ const end = Date.now() + 25_000; while (Date.now() < end); }')
  await publish('news', 20)
  for (const tab of others) await tab.heardAll('news', 1, 20)
  await busy
  await publish('news', 20)
  for (const tab of [first, ...others]) await tab.heardAll('news', 1, 40)
  await until(() => box.openSockets === 1)
})

test('where the worker cannot be had, one of the tabs leads', bounded, async (t) => {
  const { box, publish, open } = await start(t, 'missing')
  const tabs = [await open(), await open(), await open()]
  for (const tab of tabs) await tab.hold('news')
  await publish('news', 5)
  for (const tab of tabs) await tab.heardAll('news', 1, 5)
  assert.equal(box.openSockets, 1)
})

test('where tabs have no means to meet, each has its own connection', bounded, async (t) => {
  const { box, publish, open } = await start(t, 'none')
  const tabs = [await open(), await open()]
  for (const tab of tabs) await tab.hold('news')
  await publish('news', 5)
  for (const tab of tabs) await tab.heardAll('news', 1, 5)
  assert.equal(box.openSockets, 2)
})
