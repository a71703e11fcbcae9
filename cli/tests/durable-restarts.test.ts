/** One nats-server and its history go through everything that can happen to them. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { askJetStream } from '../../hub/tests/jetstream-api.js'
import { startNats, type NatsServer } from '../../hub/tests/nats-server.js'
import { startProxy } from '../../hub/tests/tcp-proxy.js'
import {
  channels,
  startScene,
  stream,
  transportNames,
  type Scene,
  type SceneOptions,
} from './durable-scene.js'
import { limit } from './processes.js'

interface Single {
  readonly nats: NatsServer
  readonly scene: Scene
}

async function start(t: TestContext, options: Partial<SceneOptions> = {}): Promise<Single> {
  const nats = await startNats(t, { jetStream: true })
  const admin = await nats.connect({ maxReconnectAttempts: -1 })
  return { nats, scene: await startScene(t, { urls: [nats.url], admin, ...options }) }
}

test(
  'a nats-server that is killed and comes back costs nobody anything (PROTOCOL 14.1, 14.9)',
  limit,
  async (t) => {
    const { nats, scene } = await start(t)
    scene.start()
    await scene.untilAcknowledged(300)
    await nats.kill()
    await scene.node.untilUnready()
    await nats.restart()
    await scene.untilAcknowledged(300)
    scene.assertNoGaps(await scene.audit())
  },
)

test(
  'a store that was wiped is a new history, and everybody hears of it (PROTOCOL 14.6)',
  limit,
  async (t) => {
    const { nats, scene } = await start(t)
    scene.start()
    await scene.untilAcknowledged(300)
    await nats.kill()
    await scene.publisher.stop()
    await nats.restartWiped()
    await scene.provision()
    await scene.historyBegins()
    scene.start()
    await scene.untilAcknowledged(300)
    await scene.audit()
    scene.assertAllTold('new_epoch')
  },
)

test(
  'a stream that is deleted and made anew is a new history to everybody (PROTOCOL 14.6)',
  limit,
  async (t) => {
    const { nats, scene } = await start(t)
    const admin = await nats.connect()
    scene.start()
    await scene.untilAcknowledged(300)
    await scene.publisher.stop()
    await askJetStream(admin, `STREAM.DELETE.${stream}`)
    await scene.provision()
    await scene.historyBegins()
    scene.start()
    await scene.untilAcknowledged(300)
    await scene.audit()
    scene.assertAllTold('new_epoch')
  },
)

test(
  'a stream that is purged under load takes nothing from who is there (PROTOCOL 14.5)',
  limit,
  async (t) => {
    // Nobody comes back to what the node itself still has.
    const { nats, scene } = await start(t, { env: { TIDEGATE_RING_COUNT_MAX: '1' } })
    const admin = await nats.connect()
    const away = transportNames.map((transport) =>
      scene.subscriber(transport, channels, scene.node, `${transport} away`),
    )
    await scene.untilUp()
    scene.start()
    await scene.untilAcknowledged(200)
    for (const subscriber of away) subscriber.leave()
    await scene.untilAcknowledged(200)
    await askJetStream(admin, `STREAM.PURGE.${stream}`)
    await scene.untilAcknowledged(200)
    for (const subscriber of away) subscriber.comeBack()
    await scene.untilUp()
    const verdicts = await scene.audit()
    for (const { subscriber, named } of verdicts) {
      // Between two polls nobody is there.
      if (subscriber.includes('away')) assert.ok(named > 0, subscriber)
      else if (!subscriber.startsWith('poll')) assert.equal(named, 0, subscriber)
    }
  },
)

test(
  'a stream that is restored to an older state is new to everybody (PROTOCOL 14.6, 14.10)',
  limit,
  async (t) => {
    const { nats, scene } = await start(t)
    scene.start()
    await scene.untilAcknowledged(200)
    await scene.publisher.stop()
    const snapshot = await nats.snapshot()
    const { state } = await scene.streamInfo()
    scene.start()
    await scene.untilAcknowledged(200)
    await scene.publisher.stop()
    await nats.restartFrom(snapshot)
    scene.log.rewindHistory('orders', state.last_seq)
    scene.start()
    await scene.untilAcknowledged(400)
    await scene.audit()
    scene.assertAllTold('new_epoch')
  },
)

test(
  'a stream that was set back and has outgrown its past is told all the same (PROTOCOL 14.6)',
  limit,
  async (t) => {
    const nats = await startNats(t, { jetStream: true })
    const proxy = await startProxy(t, nats.port)
    const admin = await nats.connect({ maxReconnectAttempts: -1 })
    const scene = await startScene(t, { urls: [nats.url], admin, nodeUrls: [[proxy.url]] })
    await scene.publish(20)
    const snapshot = await nats.snapshot()
    const { state } = await scene.streamInfo()
    await scene.publish(20)
    await scene.untilFaultless()
    proxy.refuse()
    proxy.cutAll()
    await nats.restartFrom(snapshot)
    scene.log.rewindHistory('orders', state.last_seq)
    await scene.publish(40)
    proxy.accept()
    await scene.audit()
    scene.assertAllTold('new_epoch')
  },
)
