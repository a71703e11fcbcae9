/** Pages with nothing of ours: a browser's WebSocket, EventSource and fetch, from two origins. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { TestScope } from '../../hub/tests/nats-server.js'
import { mint } from '../../gateway/tests/tokens.js'
import { launchBrowser } from '../../client/tests/browser.js'
import { limit, fileScope, startNode, type NodeProcess } from './processes.js'

const scope = fileScope()
let browser: Browser
let node: NodeProcess
/** Pages of the origin that is in the list, and of another one. */
let allowed: Page
let refused: Page

const token = mint({ sub: 'page', subscribe: ['*'], publish: ['*'] })

before(async () => {
  const origin = await servePage(scope)
  node = await startNode(scope, { TIDEGATE_ALLOWED_ORIGINS: origin })
  browser = await launchBrowser()
  allowed = await browser.newPage()
  await allowed.goto(origin)
  refused = await browser.newPage()
  await refused.goto(await servePage(scope))
})

after(() => browser?.close())

/** An empty page; returns its origin. */
async function servePage(scopeOfIt: TestScope): Promise<string> {
  const server = createServer((_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html' })
    response.end('<!doctype html><title>a page</title>')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  scopeOfIt.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function publish(channel: string, data: unknown): Promise<void> {
  const body = JSON.stringify({ channel, data })
  const headers = { Authorization: `Bearer ${token}` }
  const response = await fetch(`${node.http}/v1/publish`, { method: 'POST', headers, body })
  assert.equal(response.status, 200)
}

type Closed = readonly [code: number, reason: string, wasOpen: boolean]

/** Code and reason as the page sees them, and whether it was open before. */
function closeOf(page: Page, url: string, protocols: string[]): Promise<Closed> {
  return page.evaluate<Closed, [string, string[]]>(
    ([address, offered]) =>
      new Promise((resolve) => {
        const socket = new WebSocket(address, offered)
        let wasOpen = false
        socket.onopen = () => (wasOpen = true)
        socket.onclose = ({ code, reason }) => resolve([code, reason, wasOpen])
      }),
    [url, protocols],
  )
}

function offer(bearer: string): string[] {
  return ['tidegate.v1.json', `bearer.${bearer}`]
}

test(
  "a page's WebSocket subscribes, publishes and hears (PROTOCOL 3.1, 4.1, 4.8, 4.11)",
  limit,
  async () => {
    const frames = await allowed.evaluate<string[], [string, string[]]>(
      ([url, offered]) =>
        new Promise((resolve, reject) => {
          const socket = new WebSocket(url, offered)
          const heard = [socket.protocol]
          socket.onerror = () => reject(new Error('refused'))
          socket.onopen = () => {
            heard.push(socket.protocol)
            socket.send('{"type":"subscribe","id":1,"channel":"page"}')
          }
          socket.onmessage = ({ data }) => {
            const frame = String(data)
            if (frame.includes('"subscribed"')) {
              socket.send('{"type":"publish","id":2,"channel":"page","data":12345678901234567890}')
            }
            if (frame.includes('"publication"')) {
              heard.push(frame)
              socket.close()
              resolve(heard)
            }
          }
        }),
      [node.ws, offer(token)],
    )
    assert.deepEqual(frames.slice(0, 2), ['', 'tidegate.v1.json'])
    assert.match(
      frames[2] ?? '',
      /"channel":"page",.*"sender":"page","data":12345678901234567890\}$/,
    )
  },
)

test(
  "a page's EventSource hears welcome, then plain messages (PROTOCOL 6.2, 6.3)",
  limit,
  async () => {
    const url = `${node.http}/v1/events?channels=streamed&token=${token}`
    await allowed.evaluate((address) => {
      const heard: [string, string, string][] = []
      const source = new EventSource(address)
      const hear = (event: Event): void => {
        const { type, data, lastEventId } = event as MessageEvent
        heard.push([type, String(data), lastEventId])
      }
      source.addEventListener('welcome', hear)
      source.onmessage = hear
      Object.assign(globalThis, { heard })
    }, url)
    const untilHeard = (count: number) =>
      allowed.waitForFunction(
        (n) => (globalThis as { heard?: unknown[] }).heard?.length === n,
        count,
      )
    await untilHeard(1)
    await publish('streamed', { lines: 'a\nb' })
    await untilHeard(2)
    const heard = await allowed.evaluate(
      () => (globalThis as { heard?: [string, string, string][] }).heard ?? [],
    )
    assert.deepEqual(
      heard.map(([type]) => type),
      ['welcome', 'message'],
    )
    assert.deepEqual((JSON.parse(heard[1]?.[1] ?? '') as { data: unknown }).data, { lines: 'a\nb' })
    for (const [, , id] of heard) assert.match(id, /^[\w-]{20,}$/)
  },
)

test(
  'a page polls and publishes by fetch, after a preflight (PROTOCOL 8.3, 8.4)',
  limit,
  async () => {
    const answers = await allowed.evaluate(
      async ([base, bearer]) => {
        const headers = { Authorization: `Bearer ${bearer}`, 'Content-Type': 'application/json' }
        const ask = async (path: string, body: unknown): Promise<unknown> => {
          const init = { method: 'POST', headers, body: JSON.stringify(body) }
          return (await fetch(`${base}/v1/${path}`, init)).json()
        }
        const { cursor } = (await ask('events', { channels: ['polled'], wait: 0 })) as {
          cursor: string
        }
        const published = await ask('publish', { channel: 'polled', data: 'hi' })
        const { publications } = (await ask('events', {
          channels: ['polled'],
          wait: 20,
          cursor,
        })) as {
          publications: { data: unknown }[]
        }
        const unknown = await fetch(`${base}/v1/nothing`)
        return [published, publications.map(({ data }) => data), unknown.status]
      },
      [node.http, token] as const,
    )
    assert.deepEqual(answers, [{}, ['hi'], 404])
  },
)

const past = Math.floor(Date.now() / 1000) - 60
const bad = [
  ['a forged', () => offer(`${token.slice(0, -4)}AAAA`), 4500, 'token_invalid'],
  ['an expired', () => offer(mint({ exp: past })), 4003, 'token_expired'],
  ['no', () => ['tidegate.v1.json'], 4503, 'token_missing'],
] as const

for (const [kind, protocols, code, reason] of bad) {
  test(
    `a page's WebSocket with ${kind} token sees why: ${code}, never 1006 (PROTOCOL 3.7, 9.4)`,
    limit,
    async () => {
      const closed = await closeOf(allowed, node.ws, protocols())
      assert.deepEqual(closed, [code, reason, true])
    },
  )
}

test(
  "a page's EventSource gives up at a bad token, its fetch reads why (PROTOCOL 3.5, 8.3)",
  limit,
  async () => {
    const seen = await allowed.evaluate(async (url) => {
      const source = new EventSource(url)
      await new Promise((resolve) => (source.onerror = resolve))
      const response = await fetch(url)
      const { code } = (await response.json()) as { code: string }
      return [source.readyState, response.status, code]
    }, `${node.http}/v1/events?channels=a&token=${token}x`)
    assert.deepEqual(seen, [2, 401, 'token_invalid'])
  },
)

test('a page of another origin gets nothing over any transport (PROTOCOL 3.8)', limit, async () => {
  const [code, , wasOpen] = await closeOf(refused, node.ws, offer(token))
  assert.deepEqual([code, wasOpen], [1006, false])
  const seen = await refused.evaluate(
    async ([base, bearer]) => {
      const url = `${base}/v1/events?channels=a&wait=0&token=${bearer}`
      const source = new EventSource(url)
      await new Promise((resolve) => (source.onerror = resolve))
      const outcome = (answer: Promise<Response>): Promise<string> =>
        answer.then(
          ({ status }) => String(status),
          (error: unknown) => (error as Error).name,
        )
      const body = '{"channel":"a","data":1}'
      return [
        source.readyState,
        await outcome(fetch(url)),
        await outcome(fetch(url, { headers: { Authorization: `Bearer ${bearer}` } })),
        await outcome(fetch(`${base}/v1/publish?token=${bearer}`, { method: 'POST', body })),
      ]
    },
    [node.http, token] as const,
  )
  assert.deepEqual(seen, [2, 'TypeError', 'TypeError', 'TypeError'])
  // The last one needs no preflight: it is the node that has to refuse it.
  assert.ok(Number(await node.metric('tidegate_refusals_total{code="origin_refused"}')) >= 3)
  assert.equal(await node.metric('tidegate_publications_accepted_total'), publishedByPages)
})

/** Two by the tests above, one by `publish`. */
const publishedByPages = 3
