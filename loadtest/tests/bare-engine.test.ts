/** The harness end to end: a real nats-server, the bare engine, a load client. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { TestContext } from 'node:test'
import { startBareEngine } from '../bare-target.js'
import { Children } from '../children.js'
import { Fleet } from '../fleet.js'
import { startNats } from '../nats-process.js'
import { frameBytes, Publisher } from '../publisher.js'
import type { Target } from '../target.js'
import { waitFor } from '../wait.js'

interface Harness {
  readonly target: Target
  readonly fleet: Fleet
  readonly natsUrl: string
}

async function start(t: TestContext): Promise<Harness> {
  const children = new Children()
  t.after(() => children.stopAll())
  const { url: natsUrl } = await startNats(children)
  const target = await startBareEngine({ children, natsUrl, nodeFlags: [] })
  return { target, fleet: new Fleet(children, 20), natsUrl }
}

test('every WebSocket gets every publication, and the delay of each is recorded', async (t) => {
  const { target, fleet, natsUrl } = await start(t)
  const publisher = await Publisher.connect(natsUrl)
  t.after(() => publisher.close())
  await fleet.open('websocket', target.endpoint('websocket'), 20)
  await fleet.record()
  const published = await publisher.publish({
    subject: target.subject,
    envelopeBytes: target.envelopeBytes,
    perTick: 8,
    ticksPerSecond: 100,
    ticks: 3,
  })
  assert.equal(published, 24)
  await waitFor('all deliveries', async () => (await fleet.counts()).publications === 480, 10_000)
  const delays = await fleet.delays()
  assert.equal(delays.length, 480)
  assert.ok((delays[479] as number) < 10_000_000, 'one clock for both processes')
  assert.equal((await fleet.counts()).frameBytes, frameBytes)
})

test('event streams open, and polls go on polling, until they are closed', async (t) => {
  const { target, fleet } = await start(t)
  await fleet.open('sse', target.endpoint('sse'), 5)
  await fleet.open('poll', target.endpoint('poll', 0), 3)
  await waitFor('polls', async () => (await fleet.counts()).answers > 30, 10_000)
  assert.equal((await fleet.counts()).open, 8)
  await fleet.close()
  assert.equal((await fleet.counts()).open, 0)
})

test('a connection that the server ends is not overlooked', async (t) => {
  const { target, fleet } = await start(t)
  await fleet.open('websocket', target.endpoint('websocket'), 4)
  await target.stop()
  await assert.rejects(
    waitFor('the loss', async () => (await fleet.counts()).open === 0, 10_000),
    /connections were lost/,
  )
})

test('a server that refuses is reported with its own words', async (t) => {
  const { target, fleet } = await start(t)
  const endpoint = { ...target.endpoint('sse'), path: '/nowhere' }
  await assert.rejects(fleet.open('sse', endpoint, 2), /refused|closed/)
})
