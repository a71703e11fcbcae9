/** Nodes that are started while NATS is away, or does not let them in. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { test, type TestContext } from 'node:test'
import { startNats, type NatsServerOptions } from '../../hub/tests/nats-server.js'
import { until } from '../../hub/tests/until.js'
import { poll } from '../../gateway/tests/http-client.js'
import { mint } from '../../gateway/tests/tokens.js'
import { TestClient } from '../../gateway/tests/websocket-client.js'
import { freePort } from './free-port.js'
import { limit, startNode, type NodeProcess } from './processes.js'

const token = mint({ subscribe: ['news'], publish: ['news'] })

/** Something on that port which lets nobody in, and counts who tried. */
async function closedDoor(t: TestContext, port: number) {
  let attempts = 0
  const server = createServer((socket) => {
    attempts += 1
    socket.destroy()
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return {
    attempts: () => attempts,
    close: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

function natsLines(node: NodeProcess): Record<string, unknown>[] {
  return node.spawned.logLines().filter(({ event }) => String(event).startsWith('nats_'))
}

test(
  'a node without NATS stays up, says so once, and is ready when it comes (PROTOCOL 10.6)',
  limit,
  async (t) => {
    const port = await freePort()
    const door = await closedDoor(t, port)
    const node = await startNode(t, { TIDEGATE_NATS_URL: `nats://127.0.0.1:${port}` })
    const reasons = ['broker_unavailable']
    assert.deepEqual(await node.health('ready'), [503, { ready: false, reasons }])
    assert.deepEqual(await node.health('live'), [200, { live: true }])
    await until(() => door.attempts() >= 4)
    assert.deepEqual(
      natsLines(node).map(({ event, level }) => [event, level]),
      [['nats_connect_failed', 'warn']],
    )
    const client = await TestClient.connect(t, node.ws, token)
    const refused = await client.ask({ type: 'subscribe', id: 1, channel: 'news' })
    assert.equal(refused.code, 'broker_unavailable')

    await door.close()
    await startNats(t, { port })
    await node.untilReady()
    assert.deepEqual(await node.health('ready'), [200, { ready: true }])
    assert.equal(node.countLogged('nats_connect_failed'), 1)
    assert.equal(node.countLogged('nats_connected'), 1)
    const subscribed = await client.ask({ type: 'subscribe', id: 2, channel: 'news' })
    assert.equal(subscribed.type, 'subscribed')
    const published = await client.ask({ type: 'publish', id: 3, channel: 'news', data: 1 })
    assert.equal(published.type, 'published')
    assert.deepEqual((await poll(node.http, token, { channels: 'news', wait: '0' })).gaps, [])
  },
)

test('a node that nobody answers ends at SIGTERM all the same', limit, async (t) => {
  const port = await freePort()
  const node = await startNode(t, { TIDEGATE_NATS_URL: `nats://127.0.0.1:${port}` })
  await node.spawned.logged('nats_connect_failed')
  assert.equal(await node.end(), 0)
})

/** What the log says when NATS refuses, and the log as it stood then. */
async function refusal(
  t: TestContext,
  config: string,
  env: Record<string, string>,
  options: NatsServerOptions = {},
): Promise<readonly [unknown, string]> {
  const nats = await startNats(t, { config, ...options })
  const node = await startNode(t, { TIDEGATE_NATS_URL: nats.url, ...env })
  const { reason } = await node.spawned.logged('nats_connect_failed')
  assert.deepEqual(await node.health('live'), [200, { live: true }])
  assert.equal((await node.health('ready'))[0], 503)
  return [reason, node.spawned.stdout + node.spawned.stderr]
}

test(
  'when NATS refuses user and password, the log says so without the password',
  limit,
  async (t) => {
    const config = 'authorization { user: gateway, password: "right-one" }'
    const env = { TIDEGATE_NATS_USER: 'gateway', TIDEGATE_NATS_PASSWORD: 'hushhush' }
    const [reason, log] = await refusal(t, config, env)
    assert.match(String(reason), /authorization violation/i)
    assert.doesNotMatch(log, /hushhush|right-one/)
  },
)

test(
  'when NATS refuses the token in the address, the log says so without the token',
  limit,
  async (t) => {
    const nats = await startNats(t, { config: 'authorization { token: "right-one" }' })
    const address = `nats://hushhush@127.0.0.1:${nats.port}`
    const node = await startNode(t, { TIDEGATE_NATS_URL: address })
    const { reason } = await node.spawned.logged('nats_connect_failed')
    assert.match(String(reason), /authorization violation/i)
    assert.doesNotMatch(node.spawned.stdout + node.spawned.stderr, /hushhush|right-one/)
  },
)

test('with the right password it is ready', limit, async (t) => {
  const nats = await startNats(t, {
    config: 'authorization { user: gateway, password: "right-one" }',
  })
  const node = await startNode(t, {
    TIDEGATE_NATS_URL: nats.url,
    TIDEGATE_NATS_USER: 'gateway',
    TIDEGATE_NATS_PASSWORD: 'right-one',
  })
  await node.untilReady()
  assert.doesNotMatch(node.spawned.stdout, /right-one/)
})

test(
  'what NATS does not permit is logged, and refused to the client (PROTOCOL 4.9, 4.11)',
  limit,
  async (t) => {
    const nats = await startNats(t, {
      config: `authorization { users: [ { user: gateway, password: "p", permissions: {
      publish: "rt.pub.chat.>", subscribe: "rt.pub.chat.>" } } ] }`,
    })
    const node = await startNode(t, {
      TIDEGATE_NATS_URL: nats.url,
      TIDEGATE_NATS_USER: 'gateway',
      TIDEGATE_NATS_PASSWORD: 'p',
    })
    await node.untilReady()
    const all = mint({ subscribe: ['>'], publish: ['>'] })
    const client = await TestClient.connect(t, node.ws, all)
    for (const [id, type] of (['subscribe', 'publish'] as const).entries()) {
      const frame = { type, channel: 'news', ...(type === 'publish' && { data: 1 }) }
      assert.equal((await client.ask({ ...frame, id })).code, 'broker_unavailable', type)
      const allowed = await client.ask({ ...frame, channel: 'chat.a', id: id + 10 })
      assert.equal(allowed.type, type === 'publish' ? 'published' : 'subscribed')
    }
    const { reason } = await node.spawned.logged('nats_error')
    assert.match(String(reason), /permissions violation/i)
  },
)
