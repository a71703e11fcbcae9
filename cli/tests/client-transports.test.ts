/** The client library on two real nodes: what one transport has got, the next one goes on from. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { headers as natsHeaders } from '@nats-io/transport-node'
import { HeardEvents } from '../../client/tests/heard-events.js'
import { Gateway } from '../../client/gateway.js'
import { Progress } from '../../client/progress.js'
import { systemClock } from '../../client/system-clock.js'
import { nodeTransports } from '../../client/tests/node-transports.js'
import type { TransportName } from '../../client/transport.js'
import { startNats } from '../../hub/tests/nats-server.js'
import { mint, serve } from './spawned.js'

/** Two nodes over one JetStream, a publisher with acks, and a client that moves about. */
async function start(t: TestContext) {
  const nats = await startNats(t, { jetStream: true })
  const env = { TIDEGATE_NATS_URL: nats.url, TIDEGATE_PROVISION: 'true' }
  const nodes = [await serve(t, env), await serve(t, env)]
  const service = await nats.connect()
  const minted = await mint(t, '--subscribe', 'news')
  let published = 0
  const publish = async (headers?: Record<string, string>) => {
    published += 1
    const given = natsHeaders()
    for (const [name, value] of Object.entries(headers ?? {})) given.set(name, value)
    await service.request('rt.pub.news', String(published), { headers: given, timeout: 5_000 })
  }
  const connect = (name: TransportName, node: number, progress = new Progress()) => {
    const transport = nodeTransports.find((each) => each.name === name)
    const url = nodes[node]?.url
    assert.ok(transport && url)
    const pace = { clock: systemClock, random: Math.random }
    const gateway = new Gateway(url, () => minted, pace, fetch)
    const heard = new HeardEvents()
    const connection = transport.open({ gateway, channels: ['news'], progress }, heard.take)
    t.after(() => connection.close())
    return { heard, connection, progress }
  }
  return { publish, connect }
}

function numbersOf(heard: HeardEvents): unknown[] {
  return heard.of('publication').map(({ publication }) => publication.data)
}

test('a client that changes transport and node gets what it missed, once', async (t) => {
  const { publish, connect } = await start(t)
  let { heard, connection, progress } = connect('websocket', 0)
  await heard.next('ready')
  await publish()
  await heard.next('publication')
  let next = 2
  for (const [name, node] of [
    ['event-stream', 1],
    ['long-poll', 0],
    ['websocket', 1],
    ['long-poll', 1],
    ['event-stream', 0],
    ['websocket', 0],
  ] as const) {
    connection.close()
    for (let count = 0; count < 3; count++) await publish()
    ;({ heard, connection, progress } = connect(name, node, progress))
    await heard.next('publication', 3)
    await publish()
    await heard.next('publication', 4)
    assert.deepEqual(numbersOf(heard), [next, next + 1, next + 2, next + 3], name)
    assert.deepEqual(heard.of('gap'), [], name)
    next += 4
  }
})

for (const { name } of nodeTransports) {
  test(`the end of a channel ends the client, by ${name}`, async (t) => {
    const { publish, connect } = await start(t)
    const { heard } = connect(name, 0)
    await heard.next('ready')
    await publish({ 'Tidegate-End': '1' })
    const closed = await heard.next('closed')
    assert.deepEqual([closed.code, closed.retryable], ['ended', false])
    assert.deepEqual(numbersOf(heard), [1])
    assert.deepEqual(heard.of('ended'), [{ type: 'ended', channel: 'news' }])
  })
}

test('a channel that a WebSocket drops and takes back begins live, without a gap', async (t) => {
  const { publish, connect } = await start(t)
  const witness = connect('websocket', 0)
  const { heard, connection, progress } = connect('websocket', 0)
  for (const each of [witness.heard, heard]) await each.next('ready')
  await publish()
  await heard.next('publication')
  // As the session does it.
  const update = (channels: readonly string[]) => {
    if (channels.length === 0) progress.forget('news')
    return connection.update(channels)
  }
  update([])
  await publish()
  await witness.heard.next('publication', 2)
  for (const channels of [['news'], [], ['news']]) assert.equal(update(channels), true)
  await heard.next('subscribed', 2)
  await publish()
  await heard.next('publication', 2)
  assert.deepEqual(numbersOf(heard), [1, 3])
  for (const type of ['gap', 'problem', 'closed'] as const) assert.deepEqual(heard.of(type), [])
})
