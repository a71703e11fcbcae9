/** The cluster of the fault tests does what it says. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import { createStream, publishAcked, streamInfo } from './jetstream-api.js'
import { startCluster, type ClusterNode, type NatsCluster } from './nats-cluster.js'
import { untilAnswered } from './until.js'

const limit = { timeout: 90_000 }
/** A leader that was killed is missed for 4 to 8 s. */
const electionMs = 30_000

interface Started {
  readonly cluster: NatsCluster
  readonly service: NatsConnection
}

async function startReplicated(t: TestContext): Promise<Started> {
  const cluster = await startCluster(t)
  const service = await cluster.connect(t)
  await createStream(service, 'orders', { num_replicas: 3 })
  return { cluster, service }
}

function publish(service: NatsConnection): Promise<number> {
  return untilAnswered(
    async () => (await publishAcked(service, 'rt.pub.orders.1', '{}')).seq,
    electionMs,
  )
}

/** What was acknowledged is there by the word of whoever leads now. */
async function assertHas({ service }: Started, seq: number): Promise<void> {
  const last = await untilAnswered(async () => {
    return (await streamInfo(service, 'rt_orders')).state.last_seq
  }, electionMs)
  assert.ok(last >= seq, `${seq} was acknowledged, and the last is ${last}`)
}

test('a stream outlives its leader, which comes back as a follower', limit, async (t) => {
  const started = await startReplicated(t)
  const { cluster, service } = started
  const seq = await publish(service)
  const leader = await cluster.leaderOf('rt_orders')
  await leader.server.kill()
  const next = await cluster.untilLedByAnother('rt_orders', leader)
  assert.notEqual(next, leader)
  await assertHas(started, seq)
  const later = await publish(service)
  await leader.server.restart()
  await cluster.untilCurrent('rt_orders')
  await assertHas(started, later)
})

test('nobody notices that a follower is killed', limit, async (t) => {
  const started = await startReplicated(t)
  const { cluster, service } = started
  const leader = await cluster.leaderOf('rt_orders')
  await cluster.untilCurrent('rt_orders')
  const follower = await cluster.followerOf('rt_orders')
  assert.notEqual(follower, leader)
  await follower.server.kill()
  const seq = await publish(service)
  assert.equal(await cluster.leaderOf('rt_orders'), leader)
  await follower.server.restart()
  await cluster.untilCurrent('rt_orders')
  await assertHas(started, seq)
})

test('a lame duck gives up what it leads', limit, async (t) => {
  const started = await startReplicated(t)
  const { cluster, service } = started
  const seq = await publish(service)
  await cluster.untilCurrent('rt_orders')
  const leader = await cluster.leaderOf('rt_orders')
  await cluster.makeLameDuck(leader, 'rt_orders')
  await assertHas(started, seq)
  assert.ok((await publish(service)) > seq)
})

test('all three are restarted one after another, and nothing is lost', limit, async (t) => {
  const started = await startReplicated(t)
  const { cluster, service } = started
  let seq = 0
  const restart = async ({ server }: ClusterNode): Promise<void> => {
    await server.restart()
    await cluster.untilCurrent('rt_orders')
    seq = await publish(service)
  }
  for (const node of cluster.nodes) await restart(node)
  await assertHas(started, seq)
})
