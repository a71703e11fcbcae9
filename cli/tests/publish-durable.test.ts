/** `tidegate publish` and `tidegate tail` in durable channels, over a real nats-server. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { startNats, type NatsServer } from '../../hub/tests/nats-server.js'
import { mint, serve, tidegate, type Spawned } from './spawned.js'

const namespaces = { default: {}, orders: {}, chat: { history: false } }

function envOf(nats: NatsServer): Record<string, string> {
  return { TIDEGATE_NATS_URL: nats.url, TIDEGATE_NAMESPACES: JSON.stringify(namespaces) }
}

interface Ran {
  readonly code: number | string
  readonly err: string
}

async function publish(
  t: TestContext,
  env: Record<string, string>,
  ...args: readonly string[]
): Promise<Ran> {
  const spawned = tidegate(t, ['publish', ...args], env)
  return { code: await spawned.exit(), err: spawned.stderr.trim() }
}

/** With its streams made. */
async function startDurable(t: TestContext): Promise<NatsServer> {
  const nats = await startNats(t, { jetStream: true })
  const provision = tidegate(t, ['provision', '--yes'], envOf(nats))
  assert.equal(await provision.exit(), 0, provision.stderr)
  return nats
}

/** Until this stands on a line of its own. */
function said(tail: Spawned, line: RegExp): Promise<unknown> {
  return tail.until(String(line), ({ stderr }) => line.test(stderr))
}

test('a publication in a durable channel is told with its offset, once for each id', async (t) => {
  const nats = await startDurable(t)
  const first = await publish(t, envOf(nats), 'orders.1', '{"n":1}', '--id', 'k1')
  const again = await publish(t, envOf(nats), 'orders.1', '{"n":1}', '--id', 'k1')
  const second = await publish(t, envOf(nats), 'orders.2', '2')
  assert.deepEqual(
    [first, again, second],
    [
      { code: 0, err: 'Published 7 bytes to orders.1 at offset 1.' },
      { code: 0, err: 'Published 7 bytes to orders.1 at offset 1.' },
      { code: 0, err: 'Published 1 bytes to orders.2 at offset 2.' },
    ],
  )
  const ephemeral = await publish(t, envOf(nats), 'chat.1', '1')
  assert.deepEqual(ephemeral, { code: 0, err: 'Published 1 bytes to chat.1.' })
})

test('that no stream took a publication is said, with how to mend it', async (t) => {
  const nats = await startNats(t, { jetStream: true })
  const { code, err } = await publish(t, envOf(nats), 'orders.1', '1')
  assert.equal(code, 1)
  assert.match(err, /^broker_unavailable: No stream took the publication.*rt_orders.*provision/)
  const without = await startNats(t)
  const other = await publish(t, envOf(without), 'orders.1', '1')
  assert.equal(other.code, 1)
  assert.match(other.err, /^broker_unavailable: No stream took the publication/)
})

test('--end and --id are refused where they would have no effect', async (t) => {
  const nats = await startDurable(t)
  const ephemeral = await publish(t, envOf(nats), 'chat.1', '1', '--end')
  assert.deepEqual([ephemeral.code, /keeps no history/.test(ephemeral.err)], [1, true])
  const unknown = await publish(t, envOf(nats), 'other.1', '1', '--id', 'k')
  assert.deepEqual([unknown.code, /not in TIDEGATE_NAMESPACES/.test(unknown.err)], [1, true])
  const byHttp = await publish(t, {}, 'orders.1', '1', '--end', '--url', 'http://a', '--token', 'x')
  assert.deepEqual([byHttp.code, /a service does, over NATS/.test(byHttp.err)], [2, true])
})

test('tail begins with the newest, and ends when all of its channels have', async (t) => {
  const nats = await startDurable(t)
  for (const n of ['1', '2', '3']) await publish(t, envOf(nats), 'orders.1', n)
  const { url } = await serve(t, envOf(nats))
  const token = await mint(t, '--subscribe', 'orders.*')
  const args = ['--url', url, '--token', token, '--last', '2']
  const both = tidegate(t, ['tail', 'orders.1', 'orders.2', ...args])
  await both.until('the newest two', ({ stdout }) => stdout.split('\n').length === 3)
  assert.match(both.stdout, /^\S+ orders\.1 2\n\S+ orders\.1 3\n$/)

  assert.equal((await publish(t, envOf(nats), 'orders.1', '"bye"', '--end')).code, 0)
  await said(both, /^orders\.1 has ended\.$/m)
  const later = tidegate(t, ['tail', 'orders.1', ...args])
  assert.equal(await later.exit(), 0)
  assert.match(later.stdout, /^\S+ orders\.1 3\n\S+ orders\.1 "bye"\n$/)
  assert.match(later.stderr, /^orders\.1 has ended\.\nAll channels have ended\.$/m)

  assert.equal((await publish(t, envOf(nats), 'orders.2', '--end')).code, 0)
  assert.equal(await both.exit(), 0)
  assert.match(both.stderr, /^orders\.2 has ended\.\nAll channels have ended\.$/m)
})

test('over HTTP the same id is the same publication', async (t) => {
  const { url } = await serve(t)
  const token = await mint(t, '--publish', 'news', '--sub', 'u1')
  const args = ['news', '1', '--id', 'k1', '--url', url, '--token', token]
  for (let count = 0; count < 2; count++) {
    const { code, err } = await publish(t, {}, ...args)
    assert.deepEqual([code, err], [0, 'Published 1 bytes to news at offset 1.'])
  }
})

test('after a reconnect tail says what it recovered, and what is lost', async (t) => {
  const now = Date.now()
  const event = (n: number, previous: number, time: number): string =>
    `id: c${n}\ndata: {"channel":"a","offset":${n},"previous":${previous},"time":${time}}\n\n`
  const greeting = { expiresAt: now + 60_000, heartbeatSeconds: 30, subscriptions: ['a'] }
  // Before a gap the cursor is left to that.
  const head = `retry: 10\nevent: welcome\ndata: ${JSON.stringify(greeting)}\n`
  const lost = '{"channel":"a","after":4,"before":8,"reason":"expired"}'
  const [welcome, gap] = [`${head}id: c0\n\n`, `event: gap\nid: c7\ndata: ${lost}\n\n`]
  const hourMs = 3_600_000
  const answers = [
    welcome + event(1, 0, now),
    // The first comes again; what was missed is whole.
    welcome + event(1, 0, now) + event(2, 1, 0) + event(3, 2, 0) + event(4, 3, now + hourMs),
    `${head}\n${gap}${event(9, 7, 0)}` + event(10, 9, now + 2 * hourMs),
  ]
  const server = createServer((_request, response) => {
    const answer = answers.shift()
    if (answer === undefined) return // held
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    response.end(answer)
  }).listen(0, '127.0.0.1')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const tail = tidegate(t, ['tail', 'a', '--url', url, '--token', 't'])
  await said(tail, /^Recovered 2 publications, nothing lost\.$/m)
  await said(tail, /^Gap: whatever lay in a between offsets 4 and 8 is lost: the history /m)
  await said(tail, /^Recovered 1 publication; what is lost was said above\.$/m)
  await tail.until('every line once', ({ stdout }) => stdout.split('\n').length === 7)
})

test('tail of channels that have ended before its cursor is told so, and stops', async (t) => {
  const server = createServer((_request, response) => response.writeHead(204).end())
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const tail = tidegate(t, ['tail', 'a', '--url', url, '--token', 't'])
  assert.equal(await tail.exit(), 0)
  assert.match(tail.stderr, /^All channels have ended\.$/m)
})
