/** Two nodes over a cluster of three nats-servers that keeps every publication three times. */
import assert from 'node:assert/strict'
import { before, test, type TestContext } from 'node:test'
import { startCluster, type ClusterNode, type NatsCluster } from '../../hub/tests/nats-cluster.js'
import { startNodes, startScene, stream, type Scene, type SceneOptions } from './durable-scene.js'
import { fileScope, type NodeProcess } from './processes.js'

const limit = { timeout: 90_000 }
const scope = fileScope()
let cluster: NatsCluster
let options: SceneOptions

before(async () => {
  cluster = await startCluster(scope)
  const { urls } = cluster
  const admin = await cluster.connect(scope)
  options = { urls, admin, nodeUrls: [urls, urls], history: { replicas: 3 } }
  options = { ...options, nodes: await startNodes(scope, options) }
})

/** Under load. */
async function start(t: TestContext): Promise<Scene> {
  await cluster.untilCurrent(stream)
  const scene = await startScene(t, options)
  scene.start()
  await scene.untilAcknowledged(300)
  return scene
}

/** It is killed under load, and the others have to do without it for a while. */
async function passWithout(killed: ClusterNode, scene: Scene): Promise<void> {
  await killed.server.kill()
  await scene.untilAcknowledged(300)
  await killed.server.restart()
  await cluster.untilCurrent(stream)
  await scene.untilAcknowledged(300)
}

/** The nats-server from which the node has its live publications. */
function serverOf(node: NodeProcess): ClusterNode {
  const events = node.spawned.logLines().filter(({ event }) => event === 'nats_connected')
  const server = String(events.at(-1)?.['server'])
  const found = cluster.nodes.find(({ server: { port } }) => server.endsWith(`:${port}`))
  assert.ok(found, server)
  return found
}

test(
  'the leader of the stream is killed under load: nobody misses anything (PROTOCOL 14.1)',
  limit,
  async (t) => {
    const scene = await start(t)
    await passWithout(await cluster.leaderOf(stream), scene)
    scene.assertNoGaps(await scene.audit())
  },
)

test(
  'a follower is killed under load: nobody misses anything (PROTOCOL 14.1)',
  limit,
  async (t) => {
    const scene = await start(t)
    await passWithout(await cluster.followerOf(stream), scene)
    scene.assertNoGaps(await scene.audit())
  },
)

test(
  'the nats-server of a node is killed under load: nobody misses anything (PROTOCOL 14.1)',
  limit,
  async (t) => {
    const scene = await start(t)
    await passWithout(serverOf(scene.node), scene)
    scene.assertNoGaps(await scene.audit())
  },
)

test(
  'all nats-servers restart one after another: nobody misses anything (PROTOCOL 14.1)',
  limit,
  async (t) => {
    const scene = await start(t)
    for (const { server } of cluster.nodes) {
      await server.restart()
      await cluster.untilCurrent(stream)
      await scene.untilAcknowledged(100)
    }
    scene.assertNoGaps(await scene.audit())
  },
)

test(
  'a node is killed: its clients go on at the other one, and miss nothing (PROTOCOL 14.3)',
  limit,
  async (t) => {
    const scene = await start(t)
    assert.equal(await scene.node.end('SIGKILL'), 'SIGKILL')
    await scene.untilAcknowledged(300)
    await scene.untilUp()
    await scene.untilAcknowledged(300)
    const verdicts = await scene.audit()
    scene.assertNoGaps(verdicts)
    const moved = verdicts.filter(({ subscriber }) => subscriber.endsWith('of node 1'))
    for (const { subscriber, recovered } of moved) {
      // An event stream is not told.
      if (!subscriber.startsWith('sse')) assert.ok(recovered > 0, subscriber)
    }
  },
)
