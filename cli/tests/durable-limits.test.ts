/** What limits take away, and what nobody can give while JetStream is away. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startNats, type NatsServer } from '../../hub/tests/nats-server.js'
import { nextEvent, openStream } from '../../gateway/tests/http-client.js'
import { TestClient } from '../../gateway/tests/websocket-client.js'
import type { AuditSubscriber } from '../../loadtest/audit-subscriber.js'
import type { Verdict } from '../../loadtest/auditor.js'
import { numberedPayload } from '../../loadtest/numbered-payload.js'
import {
  channels,
  startScene,
  token,
  transportNames,
  type Scene,
  type SceneOptions,
} from './durable-scene.js'
import { eventually, limit, type NodeProcess } from './processes.js'

const ringsOfOne = { TIDEGATE_RING_COUNT_MAX: '1' }
const bearer = { authorization: `Bearer ${token}` }

interface Single {
  readonly nats: NatsServer
  readonly scene: Scene
}

async function start(t: TestContext, options: Partial<SceneOptions> = {}): Promise<Single> {
  const nats = await startNats(t, { jetStream: true })
  const admin = await nats.connect({ maxReconnectAttempts: -1 })
  return { nats, scene: await startScene(t, { urls: [nats.url], admin, ...options }) }
}

/** Over each transport, one to the channels and one to the pattern. */
function travellers(scene: Scene): readonly AuditSubscriber[] {
  return transportNames.flatMap((transport) => [
    scene.subscriber(transport, channels, scene.node, `${transport} away`),
    scene.subscriber(transport, ['orders.*'], scene.node, `${transport} pattern away`),
  ])
}

/** Whoever was there has everything, and whoever was away knows what is gone. */
function assertOnlyAwayMiss(verdicts: readonly Verdict[]): void {
  for (const { subscriber, named } of verdicts) {
    if (subscriber.includes('away')) assert.ok(named > 0, subscriber)
    else assert.equal(named, 0, subscriber)
  }
}

test(
  'what the limit of a channel has removed is named to who was away (PROTOCOL 14.5)',
  limit,
  async (t) => {
    const { scene } = await start(t, { history: { messagesPerChannel: 40 }, env: ringsOfOne })
    const away = travellers(scene)
    await scene.untilUp()
    scene.start()
    await scene.untilAcknowledged(200)
    for (const subscriber of away) subscriber.leave()
    await scene.untilAcknowledged(400)
    for (const subscriber of away) subscriber.comeBack()
    await scene.untilUp()
    await scene.untilAcknowledged(100)
    assertOnlyAwayMiss(await scene.audit())
    scene.assertAllTold('expired', away)
  },
)

test(
  'what age has removed is named, and who missed nothing is told nothing (PROTOCOL 14.4)',
  limit,
  async (t) => {
    const { scene } = await start(t, { history: { maxAgeSeconds: 1 }, env: ringsOfOne })
    const untilExpired = (): Promise<void> =>
      eventually('all has expired', async () => (await scene.streamInfo()).state.messages === 0)
    const away = transportNames.map((transport) =>
      scene.subscriber(transport, ['orders.1'], scene.node, `${transport} away`),
    )
    await scene.untilUp()
    await scene.publish(10, ['orders.1'])
    await scene.untilFaultless()
    for (const subscriber of away) subscriber.leave()
    await untilExpired()
    for (const subscriber of away) subscriber.comeBack()
    await scene.untilUp()
    scene.assertNoGaps(await scene.untilFaultless())
    for (const subscriber of away) subscriber.leave()
    await scene.publish(10, ['orders.1'])
    await untilExpired()
    for (const subscriber of away) subscriber.comeBack()
    await scene.untilUp()
    assertOnlyAwayMiss(await scene.audit())
    scene.assertAllTold('expired', away)
  },
)

test(
  'who asks for the newest of an empty channel begins with its first (PROTOCOL 14.4)',
  limit,
  async (t) => {
    const { scene } = await start(t)
    const newest = scene.subscriber('ws', channels, scene.node, 'newest', 5)
    await scene.untilUp()
    newest.leave()
    await scene.publish(3)
    newest.comeBack()
    await scene.untilUp()
    scene.start()
    await scene.untilAcknowledged(50)
    newest.move()
    await scene.untilAcknowledged(50)
    const late = scene.subscriber('ws', channels, scene.node, 'late', 5)
    await scene.untilUp([late])
    scene.assertNoGaps(await scene.audit())
  },
)

test(
  'while JetStream is off, ephemeral channels go on, and durable ones come back (PROTOCOL 14.9)',
  limit,
  async (t) => {
    const { nats, scene } = await start(t)
    scene.start()
    await scene.untilAcknowledged(200)
    await nats.restartWithoutJetStream()
    await scene.node.untilReady()
    const client = await TestClient.connect(t, scene.node.ws, token)
    const subscribed = await client.ask({ type: 'subscribe', id: 1, channel: 'chat.1' })
    assert.equal(subscribed.type, 'subscribed')
    const service = await nats.connect()
    service.publish('rt.pub.chat.1', '"by a service"')
    assert.equal((await client.find('publication')).data, 'by a service')
    assert.equal((await post(scene.node, 'chat.1', 1)).status, 200)
    assert.equal((await client.find('publication')).data, 1)
    await assertUnavailable(t, scene.node, client)
    await nats.restart()
    await eventually('it is back', async () => (await postNumbered(scene)).status === 200)
    await scene.untilAcknowledged(200)
    scene.assertNoGaps(await scene.audit())
  },
)

/** Everybody is of one account, whose JetStream may keep so much. */
function account(maxFile: string): string {
  const limits = `jetstream { max_file: ${maxFile}, max_mem: 1MB }`
  return `accounts { A { ${limits}, users: [{ user: a, password: pw }] } }\nno_auth_user: a`
}

test(
  'when its account is full, publishers hear it, and nobody loses what was stored (PROTOCOL 14.9)',
  limit,
  async (t) => {
    const nats = await startNats(t, { jetStream: true, config: account('5GB') })
    const admin = await nats.connect({ maxReconnectAttempts: -1 })
    const scene = await startScene(t, { urls: [nats.url], admin })
    scene.start()
    await scene.untilAcknowledged(200)
    nats.reload(account('1KB'))
    await eventually('it is full', async () => (await postNumbered(scene)).status === 503)
    const refused = await post(scene.node, 'orders.refused', 1)
    const { code } = (await refused.json()) as { readonly code: string }
    assert.deepEqual([refused.status, code], [503, 'broker_unavailable'])
    // What needs no room goes on: ephemeral channels, and what is stored.
    const client = await TestClient.connect(t, scene.node.ws, token)
    await client.ask({ type: 'subscribe', id: 1, channel: 'chat.1' })
    assert.equal((await post(scene.node, 'chat.1', 1)).status, 200)
    assert.equal((await client.find('publication')).data, 1)
    const returning = scene.subscriber('ws', channels, scene.node, 'returning', 5)
    await scene.untilUp([returning])
    nats.reload(account('5GB'))
    await eventually('there is room', async () => (await postNumbered(scene)).status === 200)
    await scene.untilAcknowledged(200)
    scene.assertNoGaps(await scene.audit())
  },
)

/** It passes through the node, which answers with its offset. */
async function postNumbered({ log, node }: Scene): Promise<Response> {
  const channel = 'orders.posted'
  const number = log.send(channel)
  const data: unknown = JSON.parse(numberedPayload(channel, number))
  const response = await post(node, channel, data)
  const { offset } = (await response.json()) as { readonly offset?: number }
  if (offset !== undefined) log.acknowledge(channel, number, offset)
  return response
}

function post(node: NodeProcess, channel: string, data: unknown): Promise<Response> {
  const body = JSON.stringify({ channel, data })
  return fetch(`${node.http}/v1/publish`, { method: 'POST', headers: bearer, body })
}

async function assertUnavailable(
  t: TestContext,
  node: NodeProcess,
  client: TestClient,
): Promise<void> {
  const code = 'broker_unavailable'
  const asked = { channel: 'trades.1' }
  assert.equal((await client.ask({ type: 'subscribe', id: 2, ...asked })).code, code)
  assert.equal((await client.ask({ type: 'publish', id: 3, ...asked, data: 1 })).code, code)
  const { http } = node
  const responses = [
    await post(node, 'trades.1', 1),
    await fetch(`${http}/v1/events?channels=trades.1&wait=0`, { headers: bearer }),
    await fetch(`${http}/v1/history?channel=trades.1`, { headers: bearer }),
  ]
  for (const response of responses) {
    assert.equal(response.status, 503)
    assert.equal(((await response.json()) as { readonly code: string }).code, code)
  }
  const { events } = await openStream(t, `${http}/v1/events?channels=trades.1`, bearer)
  const { event, data } = await nextEvent(events)
  assert.equal(event, 'problem')
  assert.equal((JSON.parse(data) as { readonly code: string }).code, code)
}
