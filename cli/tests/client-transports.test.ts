/** The client library on two real nodes: what one transport has got, the next one goes on from. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { headers as natsHeaders } from '@nats-io/transport-node'
import { HeardEvents } from '../../client/tests/heard-events.js'
import { nodeTransports } from '../../client/tests/node-transports.js'
import type { Connection, TransportName } from '../../client/transport.js'
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
  const connect = (name: TransportName, node: number, cursor?: string) => {
    const transport = nodeTransports.find((each) => each.name === name)
    const url = nodes[node]?.url
    assert.ok(transport && url)
    const heard = new HeardEvents()
    const request = { url, token: () => Promise.resolve(minted), channels: ['news'] }
    const from = cursor === undefined ? {} : { cursor }
    const connection = transport.open({ ...request, ...from }, heard.take)
    t.after(() => connection.close())
    return { heard, connection }
  }
  return { publish, connect }
}

function numbersOf(heard: HeardEvents): unknown[] {
  return heard.of('publication').map(({ publication }) => publication.data)
}

/** A long-poll has a cursor with its answer, the others with their subscription. */
async function begun(heard: HeardEvents, connection: Connection): Promise<void> {
  await heard.next('welcome')
  for (let count = 1; connection.cursor === undefined; count++) await heard.next('wire', count)
}

test('a client that changes transport and node gets what it missed, once', async (t) => {
  const { publish, connect } = await start(t)
  let { heard, connection } = connect('websocket', 0)
  await begun(heard, connection)
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
    const { cursor } = connection
    connection.close()
    for (let count = 0; count < 3; count++) await publish()
    ;({ heard, connection } = connect(name, node, cursor))
    await heard.next('publication', 3)
    await publish()
    await heard.next('publication', 4)
    assert.deepEqual(numbersOf(heard), [next, next + 1, next + 2, next + 3], name)
    assert.deepEqual(heard.of('gap'), [], name)
    if (name !== 'event-stream') {
      const [recovered] = heard.of('recovered')
      assert.deepEqual([recovered?.channel, recovered?.recovered], ['news', true], name)
    }
    next += 4
  }
})

for (const { name } of nodeTransports) {
  test(`the end of a channel ends the client, by ${name}`, async (t) => {
    const { publish, connect } = await start(t)
    const { heard, connection } = connect(name, 0)
    await begun(heard, connection)
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
  const { heard, connection } = connect('websocket', 0)
  await begun(witness.heard, witness.connection)
  await begun(heard, connection)
  await publish()
  await heard.next('publication')
  connection.update([])
  await publish()
  await witness.heard.next('publication', 2)
  for (const channels of [['news'], [], ['news']]) assert.equal(connection.update(channels), true)
  const answer = '{"type":"subscribed","id":5,'
  for (let count = 1; !heard.of('wire').some(({ text }) => text.startsWith(answer)); count++) {
    await heard.next('wire', count)
  }
  await publish()
  await heard.next('publication', 2)
  assert.deepEqual(numbersOf(heard), [1, 3])
  for (const type of ['gap', 'problem', 'closed'] as const) assert.deepEqual(heard.of(type), [])
})
