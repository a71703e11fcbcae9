/** `tidegate serve` and `tidegate publish` over a real nats-server that comes and goes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startNats } from '../../hub/tests/nats-server.js'
import { freePort } from './free-port.js'
import { mint, serve, testSecret, tidegate, type Spawned } from './spawned.js'

const ephemeral = { TIDEGATE_NAMESPACES: '{"default":{"history":false}}' }

async function readiness(adminPort: number): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/health/ready`)
  return { status: response.status, ...((await response.json()) as object) }
}

/** Resolves when the log has `count` lines of the event. */
function logged(node: Spawned, event: string, count: number): Promise<unknown> {
  const lines = (): unknown[] => node.logLines().filter((line) => line['event'] === event)
  return node.until(`${count} times ${event}`, () => lines().length >= count)
}

test('without NATS a node is up, not ready, and says so; ready when it comes', async (t) => {
  const nats = await startNats(t)
  await nats.kill()
  const adminPort = await freePort()
  const { node } = await serve(t, {
    ...ephemeral,
    TIDEGATE_NATS_URL: nats.url,
    TIDEGATE_ADMIN_PORT: String(adminPort),
  })
  await node.logged('nats_connect_failed')
  const notReady = { status: 503, ready: false, reasons: ['broker_unavailable'] }
  assert.deepEqual(await readiness(adminPort), notReady)
  await nats.restart()
  await logged(node, 'nats_connected', 1)
  assert.deepEqual(await readiness(adminPort), { status: 200, ready: true })
  await nats.kill()
  await logged(node, 'nats_disconnected', 1)
  assert.deepEqual(await readiness(adminPort), notReady)
  await nats.restart()
  await logged(node, 'nats_connected', 2)
  assert.deepEqual(await readiness(adminPort), { status: 200, ready: true })
})

test('what is published over NATS is printed by who tails a node', async (t) => {
  const nats = await startNats(t)
  const { node, url } = await serve(t, { ...ephemeral, TIDEGATE_NATS_URL: nats.url })
  await node.logged('nats_connected')
  const token = await mint(t, '--subscribe', 'news')
  const tail = tidegate(t, ['tail', 'news', '--url', url, '--token', token])
  await tail.until('the welcome', ({ stderr }) => stderr.includes('Connected.'))
  const byOption = tidegate(t, ['publish', 'news', '{"n":1}', '--nats', nats.url], ephemeral)
  assert.equal(await byOption.exit(), 0, byOption.stderr)
  const args = ['publish', 'news', 'two', '--content-type', 'text/plain']
  const bySetting = tidegate(t, args, { ...ephemeral, TIDEGATE_NATS_URL: nats.url })
  assert.equal(await bySetting.exit(), 0, bySetting.stderr)
  await tail.until('both lines', ({ stdout }) => stdout.split('\n').length === 3)
  assert.match(tail.stdout, /^\S+ news \{"n":1\}\n\S+ news two\n$/)
})

test('a durable namespace without a stream stops the start, and says how to mend it', async (t) => {
  const nats = await startNats(t, { jetStream: true })
  const node = tidegate(t, ['serve'], {
    TIDEGATE_NATS_URL: nats.url,
    TIDEGATE_ADMIN_PORT: '0',
    TIDEGATE_JWT_SECRET: testSecret,
  })
  assert.equal(await node.exit(), 1)
  const faults = String(node.logLines().at(-1)?.['faults'])
  assert.match(faults, /no stream rt_default: run `tidegate provision`, or set TIDEGATE_PROVISION=/)
})

test('a node that provisions makes its stream, and has its histories over NATS', async (t) => {
  const nats = await startNats(t, { jetStream: true })
  const adminPort = await freePort()
  const { node, url } = await serve(t, {
    TIDEGATE_NATS_URL: nats.url,
    TIDEGATE_PROVISION: 'true',
    TIDEGATE_ADMIN_PORT: String(adminPort),
  })
  assert.match(
    String((await node.logged('history_notice'))['notices']),
    /^Stream rt_default: created/,
  )
  await node.logged('history_available')
  assert.deepEqual(await readiness(adminPort), { status: 200, ready: true })
  const headers = { Authorization: `Bearer ${await mint(t, '--publish', '>', '--subscribe', '>')}` }
  const body = '{"channel":"news","data":{"n":1}}'
  const published = await fetch(`${url}/v1/publish`, { method: 'POST', headers, body })
  assert.deepEqual(await published.json(), { offset: 1 })
  const read = await fetch(`${url}/v1/history?channel=news`, { headers })
  const page = (await read.json()) as { publications: { offset: number; data: unknown }[] }
  assert.deepEqual(
    page.publications.map(({ offset, data }) => [offset, data]),
    [[1, { n: 1 }]],
  )
  const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  assert.match(metrics, /^tidegate_history_available\{namespace="default"\} 1$/m)
})

test('a history that is away is a warning of a node that was ready all the same', async (t) => {
  const nats = await startNats(t)
  await nats.kill()
  const adminPort = await freePort()
  const { node } = await serve(t, {
    TIDEGATE_NATS_URL: nats.url,
    TIDEGATE_ADMIN_PORT: String(adminPort),
  })
  assert.match(String((await node.logged('history_notice'))['notices']), /not checked/)
  // It comes without JetStream: ephemeral channels would be served, durable ones wait.
  await nats.restart()
  await logged(node, 'nats_connected', 1)
  const warned = { status: 200, ready: true, warnings: ['history_unavailable'] }
  assert.deepEqual(await readiness(adminPort), warned)
})

test('a second signal ends at once what the first one leaves waiting', async (t) => {
  const nats = await startNats(t)
  const { node } = await serve(t, { ...ephemeral, TIDEGATE_NATS_URL: nats.url })
  await node.logged('nats_connected')
  // Frozen, it does not answer the flush that a clean end waits for.
  await nats.freeze()
  t.after(() => nats.signal('SIGCONT'))
  node.child.kill('SIGTERM')
  await node.logged('draining')
  node.child.kill('SIGTERM')
  assert.equal(await node.exit(), 1)
})

test('an end that takes longer than the grace time is cut short, and exits with 0', async (t) => {
  const nats = await startNats(t)
  const { node } = await serve(t, {
    ...ephemeral,
    TIDEGATE_NATS_URL: nats.url,
    TIDEGATE_SHUTDOWN_GRACE_SECONDS: '1',
  })
  await node.logged('nats_connected')
  await nats.freeze()
  t.after(() => nats.signal('SIGCONT'))
  node.child.kill('SIGTERM')
  assert.equal(await node.exit(), 0)
  assert.equal((await node.logged('stopped'))['isClean'], false)
})

test('NATS credentials and keys that cannot be used are told together, by setting', async (t) => {
  const node = tidegate(t, ['serve'], {
    TIDEGATE_NATS_URL: 'nats://127.0.0.1:1',
    TIDEGATE_NATS_NKEY_FILE: process.execPath,
    TIDEGATE_JWKS_FILE: process.execPath,
    TIDEGATE_ADMIN_PORT: '0',
  })
  assert.equal(await node.exit(), 1)
  const file = process.execPath
  assert.deepEqual(node.logLines().at(-1)?.['faults'], [
    `TIDEGATE_NATS_NKEY_FILE: NATS nkey file ${file} holds no usable nkey`,
    `TIDEGATE_JWKS_FILE, ${file}: it is longer than 1048576 bytes.`,
  ])
})
