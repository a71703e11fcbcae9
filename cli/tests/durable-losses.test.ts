/** What is lost, cut or forged on the way between one nats-server and its nodes. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startNats } from '../../hub/tests/nats-server.js'
import { startProxy, type TcpProxy } from '../../hub/tests/tcp-proxy.js'
import { until } from '../../hub/tests/until.js'
import {
  channels,
  startScene,
  transportNames,
  type Scene,
  type SceneOptions,
} from './durable-scene.js'
import { limit } from './processes.js'

interface Proxied {
  readonly proxy: TcpProxy
  readonly scene: Scene
}

/** The node is connected through the proxy, the publisher is not. */
async function start(t: TestContext, options: Partial<SceneOptions> = {}): Promise<Proxied> {
  const nats = await startNats(t, { jetStream: true })
  const proxy = await startProxy(t, nats.port)
  const admin = await nats.connect()
  const nodeUrls = [[proxy.url]]
  const scene = await startScene(t, { urls: [nats.url], admin, nodeUrls, ...options })
  return { proxy, scene }
}

test(
  'what is lost on its way to the node is repaired, and nobody notices (PROTOCOL 14.9)',
  limit,
  async (t) => {
    const { proxy, scene } = await start(t)
    scene.start()
    await scene.untilAcknowledged(100)
    // To each channel and to the pattern.
    for (const channel of channels) proxy.drop(`rt.live.${channel}`, 20)
    await until(() => proxy.dropped === 80)
    await scene.untilAcknowledged(100)
    scene.assertNoGaps(await scene.audit())
  },
)

test(
  'the last publication of a channel, lost on its way, is found without another (PROTOCOL 14.9)',
  limit,
  async (t) => {
    const { proxy, scene } = await start(t)
    scene.start()
    await scene.untilAcknowledged(100)
    await scene.publisher.stop()
    for (const channel of channels) proxy.drop(`rt.live.${channel}`, 2)
    await scene.publish(1)
    await until(() => proxy.dropped === 2 * channels.length)
    scene.assertNoGaps(await scene.audit())
  },
)

test('headers that a publisher forges lead nobody astray (PROTOCOL 14.1)', limit, async (t) => {
  const { scene } = await start(t)
  const times = ['2001-01-01T00:00:00Z', '2099-01-01T00:00:00Z', 'never']
  let turn = 0
  scene.publisher.forged = () => {
    turn += 1
    return {
      'Nats-Stream': 'rt_other',
      'Nats-Subject': 'rt.pub.orders.9',
      'Nats-Sequence': String((turn * 997) % 5_000),
      'Nats-Last-Sequence': String((turn * 499) % 5_000),
      'Nats-Time-Stamp': times[turn % times.length] ?? '',
    }
  }
  const away = transportNames.map((transport) => scene.subscriber(transport, channels))
  await scene.untilUp()
  scene.start()
  await scene.untilAcknowledged(100)
  for (const subscriber of away) subscriber.leave()
  await scene.untilAcknowledged(600)
  for (const subscriber of away) subscriber.comeBack()
  await scene.untilUp()
  scene.assertNoGaps(await scene.audit())
})

test(
  'a burst of recoveries with emptied rings is answered by the history (PROTOCOL 14.3)',
  limit,
  async (t) => {
    const { scene } = await start(t, { env: { TIDEGATE_RING_COUNT_MAX: '1' } })
    const crowd = Array.from({ length: 60 }, (_, at) => {
      const transport = transportNames[at % 3] ?? 'ws'
      const [channel = ''] = [channels[at % 4]]
      return scene.subscriber(transport, [channel], scene.node, `${transport} ${at}`)
    })
    await scene.untilUp()
    scene.start()
    await scene.untilAcknowledged(100)
    for (const subscriber of crowd) subscriber.leave()
    await scene.untilAcknowledged(300)
    for (const subscriber of crowd) subscriber.comeBack()
    await scene.untilUp()
    scene.assertNoGaps(await scene.audit())
    const byHistory = await scene.node.metric(
      'tidegate_recoveries_total{result="recovered",source="history"}',
    )
    assert.ok(Number(byHistory) >= crowd.length, `${byHistory} by the history`)
  },
)

test(
  'NATS connections that are cut in the middle of recoveries cost nobody anything (PROTOCOL 14.3)',
  limit,
  async (t) => {
    const env = { TIDEGATE_RING_COUNT_MAX: '1' }
    const { proxy, scene } = await start(t, { env })
    const crowd = transportNames.flatMap((transport) =>
      channels.map((channel) =>
        scene.subscriber(transport, [channel], scene.node, `${transport} ${channel}`),
      ),
    )
    await scene.untilUp()
    for (const subscriber of crowd) subscriber.leave()
    await Promise.all(channels.map((channel) => scene.publishTogether(channel, 1_000)))
    scene.start()
    await scene.untilAcknowledged(30)
    let cuts = 0
    // What is read comes through an inbox: a cut with each of these is in the middle.
    for (const number of [100, 400, 700]) {
      proxy.drop('_INBOX.>', 1, (text) => {
        const isNow = cuts < 3 && text.endsWith(`"number":${number}}`)
        if (isNow) cuts += 1
        if (isNow) setImmediate(() => proxy.cutAll())
        return isNow
      })
    }
    for (const subscriber of crowd) subscriber.comeBack()
    await until(() => cuts === 3)
    await scene.untilUp()
    scene.assertNoGaps(await scene.audit())
  },
)
