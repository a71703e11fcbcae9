/** Signals: what every client of a node hears when it leaves, and that nobody holds it up. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { startNats, type NatsServer } from '../../hub/tests/nats-server.js'
import { until } from '../../hub/tests/until.js'
import {
  nextEvent,
  openStream,
  rawSocket,
  type PollAnswer,
} from '../../gateway/tests/http-client.js'
import { mint } from '../../gateway/tests/tokens.js'
import { TestClient } from '../../gateway/tests/websocket-client.js'
import { limit, eventually, startNode, type NodeProcess } from './processes.js'
import { tidegate } from './spawned.js'

const token = mint({ subscribe: ['*'], publish: ['*'] })
const bearer = { authorization: `Bearer ${token}` }
/** So long that a test fails in which the node waits for its end. */
const longGrace = { TIDEGATE_SHUTDOWN_GRACE_SECONDS: '120' }

function events(node: NodeProcess, query = ''): string {
  return `${node.http}/v1/events?channels=news${query}`
}

async function untilConnected(node: NodeProcess, transport: string, count: number): Promise<void> {
  await eventually(`${count} of ${transport}`, async () => {
    return (await node.metric(`tidegate_connections{transport="${transport}"}`)) === count
  })
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(
    `${signal}: each client is told that the node leaves, which exits with 0 (PROTOCOL 10.4, 7.7)`,
    limit,
    async (t) => {
      const node = await startNode(t, longGrace)
      const json = await TestClient.connect(t, node.ws, token)
      const msgpack = await TestClient.connect(t, node.ws, token, 'tidegate.v1.msgpack')
      const stream = await openStream(t, events(node), bearer)
      assert.equal((await nextEvent(stream.events)).event, 'welcome')
      const polled = fetch(events(node, '&wait=50'), { headers: bearer })
      await untilConnected(node, 'poll', 1)

      const exited = node.end(signal)
      assert.deepEqual(await json.closed, { code: 4001, reason: 'draining' })
      assert.deepEqual(await msgpack.closed, { code: 4001, reason: 'draining' })
      const problem = await nextEvent(stream.events)
      assert.equal(problem.event, 'problem')
      assert.ok(Number(problem.retry) >= 1000)
      assert.equal((JSON.parse(problem.data) as { code: string }).code, 'draining')
      assert.equal((await stream.events.next()).done, true)
      const response = await polled
      assert.equal(response.status, 200)
      const { cursor, publications, gaps } = (await response.json()) as PollAnswer
      assert.match(cursor, /^[\w-]+$/)
      assert.deepEqual([publications, gaps], [[], []])

      assert.equal(await exited, 0)
      const stopped = await node.spawned.logged('stopped')
      assert.deepEqual(stopped['connections'], { websocket: 0, sse: 0, poll: 0 })
      assert.equal(stopped['isClean'], true)
      assert.equal(node.spawned.stderr, '')
    },
  )
}

test('nobody in the middle of a request or a handshake holds the node up', limit, async (t) => {
  const node = await startNode(t, longGrace)
  const head = `HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n`
  const halves = [
    '',
    'GET /v1/events?chan',
    'GET /v1/events HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ',
    `POST /v1/publish ${head}Content-Length: 100\r\n\r\n{"cha`,
    `POST /v1/events ${head}Transfer-Encoding: chunked\r\n\r\n5\r\n{"c`,
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  ]
  const closed = halves.map((half) => {
    const socket = rawSocket(t, node.port)
    socket.write(half, 'latin1')
    socket.resume()
    return new Promise((resolve) => socket.once('close', resolve))
  })
  // A connection that is kept for a next request, and the proof that the others have arrived.
  assert.equal((await fetch(events(node, '&wait=0'), { headers: bearer })).status, 200)
  assert.equal(await node.end(), 0)
  await Promise.all(closed)
})

test('clients that do not read hold nobody up (PROTOCOL 10.3, 10.4)', limit, async (t) => {
  const fast = { TIDEGATE_FRAMES_PER_SECOND_MAX: '100000', TIDEGATE_FRAMES_BURST_MAX: '100000' }
  const node = await startNode(t, { ...longGrace, ...fast })
  const socket = await TestClient.connect(t, node.ws, token)
  await socket.ask({ type: 'subscribe', id: 1, channel: 'news' })
  socket.socket.pause()
  const stream = rawSocket(t, node.port)
  const head = `Accept: text/event-stream\r\nAuthorization: Bearer ${token}`
  stream.write(`GET /v1/events?channels=news HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n`)
  await untilConnected(node, 'sse', 1)
  const publisher = await TestClient.connect(t, node.ws, token)
  const data = 'x'.repeat(60_000)
  const dropped = (transport: string): Promise<number | undefined> =>
    node.metric(`tidegate_deliveries_dropped_total{transport="${transport}"}`)
  for (let id = 0; !(await dropped('sse')) || !(await dropped('websocket')); id += 1) {
    const { type } = await publisher.ask({ type: 'publish', id, channel: 'news', data })
    assert.equal(type, 'published')
  }
  assert.equal(await node.end(), 0)
  assert.equal((await node.spawned.logged('stopped'))['isClean'], true)
})

async function withFrozenNats(t: TestContext): Promise<{ node: NodeProcess; nats: NatsServer }> {
  const nats = await startNats(t)
  const node = await startNode(t, { ...longGrace, TIDEGATE_NATS_URL: nats.url })
  await node.untilReady()
  await nats.freeze()
  return { node, nats }
}

test(
  'who waits for a confirmation of NATS is told that the node leaves (PROTOCOL 10.4, 7.7)',
  limit,
  async (t) => {
    const { node } = await withFrozenNats(t)
    const stream = await openStream(t, events(node), bearer)
    const polled = fetch(events(node, '&wait=50'), { headers: bearer })
    await untilConnected(node, 'sse', 1)
    await untilConnected(node, 'poll', 1)
    const exited = node.end()
    const problem = await nextEvent(stream.events)
    assert.equal((JSON.parse(problem.data) as { code: string }).code, 'draining')
    const response = await polled
    assert.equal(response.status, 503)
    assert.equal(((await response.json()) as { code: string }).code, 'draining')
    assert.equal(await exited, 0)
  },
)

test(
  'a node that leaves is ready no longer, and a second signal ends it at once',
  limit,
  async (t) => {
    const { node } = await withFrozenNats(t)
    node.spawned.child.kill('SIGTERM')
    await node.spawned.logged('draining')
    const [status, body] = await node.health('ready')
    assert.equal(status, 503)
    assert.ok((body as { reasons: string[] }).reasons.includes('draining'))
    assert.equal((await node.health('live'))[0], 200)
    assert.equal(await node.end('SIGTERM'), 1)
    assert.equal(node.countLogged('stopped'), 0)
  },
)

test('when its grace time is over it exits with 0 all the same', limit, async (t) => {
  const nats = await startNats(t)
  const grace = { TIDEGATE_SHUTDOWN_GRACE_SECONDS: '1', TIDEGATE_NATS_URL: nats.url }
  const node = await startNode(t, grace)
  await node.untilReady()
  await nats.freeze()
  assert.equal(await node.end(), 0)
  assert.equal((await node.spawned.logged('stopped'))['isClean'], false)
})

test(
  'a publish that waits for NATS is answered before the node leaves (PROTOCOL 8.1, 10.4)',
  limit,
  async (t) => {
    const { node, nats } = await withFrozenNats(t)
    const socket = rawSocket(t, node.port)
    let answer = ''
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text))
    const body = '{"channel":"news","data":1}'
    const head = `Host: a\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${body.length}`
    await new Promise((resolve) => {
      socket.write(`POST /v1/publish HTTP/1.1\r\n${head}\r\n\r\n${body}`, resolve)
    })
    // What is answered after it has been read after it.
    assert.equal((await fetch(`${node.http}/nothing`)).status, 404)
    const exited = node.end()
    await node.spawned.logged('draining')
    assert.equal(answer, '')
    nats.signal('SIGCONT')
    assert.equal(await exited, 0)
    await until(() => answer.endsWith('{}'))
    assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  },
)

test('a signal that comes while it starts is not lost', limit, async (t) => {
  const issuer = createServer()
  issuer.listen(0, '127.0.0.1')
  t.after(() => issuer.close())
  await once(issuer, 'listening')
  const asked = once(issuer, 'request')
  const spawned = tidegate(t, ['serve'], {
    TIDEGATE_PORT: '0',
    TIDEGATE_ADMIN_PORT: '0',
    TIDEGATE_JWKS_URL: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/jwks`,
  })
  const [, response] = (await asked) as [unknown, ServerResponse]
  spawned.child.kill('SIGTERM')
  response.end('{"keys":[]}')
  assert.equal(await spawned.exit(), 0)
  assert.equal((await spawned.logged('stopped'))['isClean'], true)
})
