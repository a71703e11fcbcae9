/** `tidegate serve` as a process: its start, its refusals to start, its end. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { freePort } from './free-port.js'
import { mint, serve, testSecret, tidegate } from './spawned.js'

test('without a key it refuses to start, with a sentence', async (t) => {
  const node = tidegate(t, ['serve'], { TIDEGATE_PORT: '0', TIDEGATE_ADMIN_PORT: '0' })
  assert.equal(await node.exit(), 1)
  const failed = node.logLines().at(-1)
  assert.equal(failed?.['event'], 'start_failed')
  assert.match(String(failed?.['faults']), /TIDEGATE_JWT_SECRET/)
})

test('a bad configuration stops the start with every fault, as one JSON line', async (t) => {
  const node = tidegate(t, ['serve', '--config', '/no/such/file'], {
    TIDEGATE_PORT: 'x',
    TIDEGATE_TYPO: 'hush',
    TIDEGATE_JWT_SECRET: 'hush',
  })
  assert.equal(await node.exit(), 1)
  const lines = node.logLines()
  assert.equal(lines.length, 1)
  assert.equal((lines[0]?.['faults'] as string[]).length, 4)
  assert.doesNotMatch(node.stdout + node.stderr, /hush/)
  assert.equal(node.stderr, '')
})

test('a port that is taken stops the start, and names the address', async (t) => {
  const { port } = await serve(t)
  const second = tidegate(t, ['serve'], {
    TIDEGATE_HOST: '127.0.0.1',
    TIDEGATE_PORT: String(port),
    TIDEGATE_ADMIN_PORT: '0',
    TIDEGATE_JWT_SECRET: testSecret,
  })
  assert.equal(await second.exit(), 1)
  assert.match(String(second.logLines().at(-1)?.['faults']), new RegExp(`127.0.0.1:${port}`))
})

test('the start is logged: engine, every setting with its source, secrets masked', async (t) => {
  const { node, port } = await serve(t)
  const starting = await node.logged('starting')
  assert.match(String(starting['engine']), /^(?:uWebSockets\.js|uws-legacy)$/)
  assert.ok(Number(starting['openFilesMax']) > 0)
  const settings = starting['settings'] as Record<string, unknown>
  assert.deepEqual(settings['TIDEGATE_PORT'], { value: 0, source: 'environment' })
  assert.deepEqual(settings['TIDEGATE_HEARTBEAT_SECONDS'], { value: 30, source: 'default' })
  assert.deepEqual(settings['TIDEGATE_JWT_SECRET'], { value: ['***'], source: 'environment' })
  assert.doesNotMatch(node.stdout, new RegExp(testSecret))
  assert.notEqual(port, 0)
  assert.equal((await node.logged('history_available'))['namespace'], 'default')
})

test('the admin port tells liveness, readiness and metrics', async (t) => {
  const adminPort = await freePort()
  const { node } = await serve(t, { TIDEGATE_ADMIN_PORT: String(adminPort) })
  assert.equal((await node.logged('started'))['adminPort'], adminPort)
  const admin = `http://127.0.0.1:${adminPort}`
  assert.equal((await fetch(`${admin}/health/live`)).status, 200)
  assert.deepEqual(await (await fetch(`${admin}/health/ready`)).json(), { ready: true })
  const metrics = await (await fetch(`${admin}/metrics`)).text()
  assert.match(metrics, /^tidegate_broker_connected 1$/m)
  assert.match(metrics, /^tidegate_build_info\{version="0\.1\.0",engine="u[\w.-]+",node="/m)
})

test('a token is taken by the gateway and never comes into its log', async (t) => {
  const { node, url } = await serve(t, { TIDEGATE_LOG_LEVEL: 'trace' })
  const token = await mint(t, '--publish', 'news')
  const body = '{"channel":"news","data":1}'
  const good = await fetch(`${url}/v1/publish?token=${token}`, { method: 'POST', body })
  assert.equal(good.status, 200, await good.text())
  const bad = await fetch(`${url}/v1/publish?token=${token}x`, { method: 'POST', body })
  assert.equal(bad.status, 401)
  node.child.kill('SIGTERM')
  await node.exit()
  assert.doesNotMatch(node.stdout + node.stderr, /eyJ/)
})

test('a host that is none of this machine stops the start, with a sentence', async (t) => {
  const node = tidegate(t, ['serve'], {
    TIDEGATE_HOST: 'host.invalid',
    TIDEGATE_ADMIN_PORT: '0',
    TIDEGATE_JWT_SECRET: testSecret,
  })
  assert.equal(await node.exit(), 1)
  const faults = String(node.logLines().at(-1)?.['faults'])
  assert.match(faults, /^Cannot listen on host\.invalid:8080: the address or port /)
})

test('without NATS it is pointed out that publications stay in this process', async (t) => {
  const { node } = await serve(t, { TIDEGATE_NAMESPACES: '{"news":{"history":false}}' })
  const notice = await node.logged('setting_notice')
  assert.match(String(notice['message']), /^TIDEGATE_NATS_URL is not set: .* stay in this process/)
})

test('SIGTERM ends the streams, and the process with 0 within the grace time', async (t) => {
  const { node, url } = await serve(t, { TIDEGATE_SHUTDOWN_GRACE_SECONDS: '5' })
  const token = await mint(t, '--subscribe', 'news')
  const response = await fetch(`${url}/v1/events?channels=news`, {
    headers: { Accept: 'text/event-stream', Authorization: `Bearer ${token}` },
  })
  const startedAt = Date.now()
  node.child.kill('SIGTERM')
  await response.text()
  assert.equal(await node.exit(), 0)
  assert.ok(Date.now() - startedAt < 5_000)
  assert.deepEqual((await node.logged('draining'))['connections'], {
    websocket: 0,
    sse: 1,
    poll: 0,
  })
  assert.equal((await node.logged('stopped'))['isClean'], true)
  assert.equal(node.stderr, '')
})

test('SIGINT ends it as SIGTERM does', async (t) => {
  const { node } = await serve(t)
  node.child.kill('SIGINT')
  assert.equal(await node.exit(), 0)
})

/** An issuer of keys that takes requests and never answers. */
async function silentIssuer(t: TestContext): Promise<{ server: Server; url: string }> {
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys` }
}

test('SIGTERM ends a start that waits for keys, at once and with 0', async (t) => {
  const { server, url } = await silentIssuer(t)
  const asked = once(server, 'request')
  const node = tidegate(t, ['serve'], { TIDEGATE_ADMIN_PORT: '0', TIDEGATE_JWKS_URL: url })
  await asked
  const startedAt = Date.now()
  node.child.kill('SIGTERM')
  assert.equal(await node.exit(), 0)
  assert.ok(Date.now() - startedAt < 3_000, 'sooner than the fetch would have ended')
  assert.equal((await node.logged('stopped'))['isClean'], true)
})

test('a node that has no key yet is up, and not ready', async (t) => {
  const adminPort = await freePort()
  const { node } = await serve(t, {
    TIDEGATE_JWT_SECRET: '',
    TIDEGATE_JWKS_URL: 'http://127.0.0.1:1/keys',
    TIDEGATE_ADMIN_PORT: String(adminPort),
  })
  await node.logged('keys_failed')
  const ready = await fetch(`http://127.0.0.1:${adminPort}/health/ready`)
  assert.equal(ready.status, 503)
  assert.deepEqual(await ready.json(), { ready: false, reasons: ['keys_missing'] })
})
