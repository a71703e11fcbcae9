/** What a nats-server and the way to it suffer in tests is what the harness says it is. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import { createStream, publishAcked, streamInfo } from './jetstream-api.js'
import { startNats, type NatsServer } from './nats-server.js'
import { startProxy, type TcpProxy } from './tcp-proxy.js'
import { until, untilAnswered } from './until.js'

const limit = { timeout: 60_000 }

interface Started {
  readonly server: NatsServer
  readonly service: NatsConnection
}

async function startStored(t: TestContext): Promise<Started> {
  const server = await startNats(t, { jetStream: true })
  const service = await server.connect({ maxReconnectAttempts: -1 })
  await createStream(service, 'orders')
  return { server, service }
}

/** Publishes so many, and resolves with the offset of the last. */
async function publish(service: NatsConnection, count: number): Promise<number> {
  let seq = 0
  for (let at = 0; at < count; at += 1) {
    seq = (await publishAcked(service, 'rt.pub.orders.1', JSON.stringify({ at }))).seq
  }
  return seq
}

test('a restarted server has what it had', limit, async (t) => {
  const { server, service } = await startStored(t)
  await publish(service, 3)
  await server.restart()
  const { state } = await untilAnswered(() => streamInfo(service, 'rt_orders'))
  assert.equal(state.last_seq, 3)
})

test('a wiped server has nothing, and what is made anew has other dates', limit, async (t) => {
  const { server, service } = await startStored(t)
  await publish(service, 3)
  const { created } = await streamInfo(service, 'rt_orders')
  await server.restartWiped()
  const made = await untilAnswered(() => createStream(service, 'orders'))
  assert.equal(made.state.last_seq, 0)
  assert.notEqual(made.created, created)
})

test('a store that is set back has its old end and its old date', limit, async (t) => {
  const { server, service } = await startStored(t)
  await publish(service, 3)
  const { created } = await streamInfo(service, 'rt_orders')
  const snapshot = await server.snapshot()
  await untilAnswered(() => streamInfo(service, 'rt_orders'))
  assert.equal(await publish(service, 4), 7)
  await server.restartFrom(snapshot)
  const info = await untilAnswered(() => streamInfo(service, 'rt_orders'))
  assert.deepEqual([info.state.last_seq, info.created], [3, created])
  assert.equal(await publish(service, 1), 4)
})

interface Proxied extends Started {
  readonly proxy: TcpProxy
  readonly client: NatsConnection
  /** What the client heard of channel and payload. */
  readonly heard: string[]
}

/** A listener behind the proxy, as a gateway would be, and a service that is not. */
async function startProxied(t: TestContext): Promise<Proxied> {
  const { server, service } = await startStored(t)
  const proxy = await startProxy(t, server.port)
  const client = await server.connect({ servers: proxy.url, maxReconnectAttempts: -1 })
  const heard: string[] = []
  client.subscribe('rt.live.>', {
    callback: (_, message) => void heard.push(`${message.subject} ${message.string()}`),
  })
  await client.flush()
  return { server, service, proxy, client, heard }
}

function stored(service: NatsConnection, channel: string, payload: string): Promise<unknown> {
  return publishAcked(service, `rt.pub.${channel}`, payload)
}

test('a chosen message is lost on its way, and the rest flows', limit, async (t) => {
  const { service, proxy, heard } = await startProxied(t)
  proxy.drop('rt.live.orders.2', 1)
  proxy.drop('rt.live.orders.*', 1, (payload) => payload.endsWith('"c"'))
  const sent = ['1 "a"', '2 "b"', '1 "c"', '2 "d"', '1 "e"']
  for (const each of sent) {
    const [channel, payload] = each.split(' ') as [string, string]
    await stored(service, `orders.${channel}`, payload)
  }
  await until(() => heard.length === 3)
  assert.deepEqual(
    heard,
    ['1 "a"', '2 "d"', '1 "e"'].map((each) => `rt.live.orders.${each}`),
  )
  assert.equal(proxy.dropped, 2)
})

test('messages larger than a segment pass whole, whatever is lost between', limit, async (t) => {
  const { service, proxy, heard } = await startProxied(t)
  proxy.drop('rt.live.orders.1', 3)
  const large = `"${'\r\nMSG x 1 1\r\n'.repeat(10_000)}"`
  for (let at = 0; at < 6; at += 1) await stored(service, 'orders.1', large)
  await stored(service, 'orders.1', 'last')
  await until(() => heard.length === 4)
  assert.deepEqual(
    heard.map((text) => text.length - 'rt.live.orders.1 '.length),
    [large.length, large.length, large.length, 4],
  )
})

test('connections that are cut come back, unless they are refused', limit, async (t) => {
  const { service, proxy, client, heard } = await startProxied(t)
  proxy.refuse()
  proxy.cutAll()
  await until(() => proxy.connections === 0)
  await stored(service, 'orders.1', 'missed')
  proxy.accept()
  await until(() => proxy.connections === 1)
  await untilAnswered(() => client.flush().then(() => true))
  await stored(service, 'orders.1', 'heard')
  await until(() => heard.length > 0)
  assert.deepEqual(heard, ['rt.live.orders.1 heard'])
})

test('what a frozen connection holds back passes when it thaws', limit, async (t) => {
  const { service, proxy, client, heard } = await startProxied(t)
  proxy.freeze()
  await stored(service, 'orders.1', 'held')
  const flushed = client.flush()
  // The server has answered the service after it sent to the client: only the proxy holds it.
  await service.flush()
  assert.deepEqual(heard, [])
  assert.equal(proxy.connections, 1)
  proxy.thaw()
  await flushed
  assert.deepEqual(heard, ['rt.live.orders.1 held'])
})
