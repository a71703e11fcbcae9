/** Holders, loops and signals of the SDK's object, over transports that the test speaks for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Tidegate, type TidegateOptions } from '../tidegate.js'
import { FakeClock } from './fake-clock.js'
import { FakeTransport } from './fake-transports.js'
import { json, refused, ScriptedFetch } from './scripted-fetch.js'

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

function start(
  options: Partial<TidegateOptions> = {},
  name: 'websocket' | 'long-poll' = 'websocket',
) {
  const transport = new FakeTransport(name)
  const clock = new FakeClock()
  const tidegate = new Tidegate('http://gateway', {
    token: () => 't',
    transports: [transport],
    pace: { clock, random: () => 0.5 },
    ...options,
  })
  const publish = (channel: string, data: number): void =>
    transport.connection.say({ type: 'publication', publication: { channel, time: data, data } })
  return { tidegate, transport, clock, publish }
}

test('channels that are taken in one turn are asked for together, once', async () => {
  const { tidegate, transport } = start()
  for (const name of ['a', 'b', 'a']) tidegate.channel(name)
  await settle()
  assert.deepEqual(
    transport.connections.map(({ request }) => request.channels),
    [['a', 'b']],
  )
})

test('holders share a subscription, and the last to leave ends it', async () => {
  const { tidegate, transport, publish } = start()
  const [one, other] = [tidegate.channel<number>('a'), tidegate.channel<number>('a')]
  const got: string[] = []
  one.on('publication', ({ publication }) => got.push(`one ${publication.data}`))
  other.on('publication', ({ publication }) => got.push(`other ${publication.data}`))
  await settle()
  transport.connection.welcome()
  publish('a', 1)
  one.close()
  publish('a', 2)
  await settle()
  assert.deepEqual(transport.connection.updates, [])
  other.close()
  await settle()
  assert.equal(transport.connection.isClosed, true)
  assert.equal(tidegate.state.type, 'idle')
  assert.deepEqual(got, ['one 1', 'other 1', 'other 2'])
})

test('a holder that comes later hears where its channel stands', async () => {
  const { tidegate, transport } = start()
  tidegate.channel('a')
  await settle()
  transport.connection.welcome()
  transport.connection.say({ type: 'subscribed', channel: 'a' })
  const later = tidegate.channel('a')
  const heard: string[] = []
  for (const type of ['subscribed', 'ended'] as const) later.on(type, () => heard.push(type))
  await settle()
  transport.connection.say({ type: 'ended', channel: 'a' })
  const latest = tidegate.channel('a')
  latest.on('ended', () => heard.push('latest'))
  await settle()
  assert.deepEqual(heard, ['subscribed', 'ended', 'latest'])
})

test('who publishes after the end takes it back for those who come later, too', async () => {
  const { tidegate, transport, publish } = start()
  tidegate.channel('a')
  await settle()
  transport.connection.welcome()
  transport.connection.say({ type: 'ended', channel: 'a' })
  publish('a', 1)
  const step = tidegate.channel<number>('a').read().next()
  await settle()
  publish('a', 2)
  assert.equal((await step).value?.data, 2)
})

test('a loop ends with its channel, its signal and the client, and none begins then', async () => {
  const { tidegate, transport } = start()
  const abort = new AbortController()
  const [a, b, c] = [tidegate.channel('a'), tidegate.channel('b'), tidegate.channel('c')]
  const read = async (channel: AsyncIterable<unknown>): Promise<number> => {
    let count = 0
    for await (const _ of channel) count += 1
    return count
  }
  const loops = [read(a), read(b.read({ signal: abort.signal })), read(c)]
  await settle()
  transport.connection.welcome()
  transport.connection.say({ type: 'ended', channel: 'a' })
  abort.abort()
  tidegate.close()
  assert.deepEqual(await Promise.all(loops), [0, 0, 0])
  assert.deepEqual(await Promise.all([read(a), read(b), read(tidegate.channel('d'))]), [0, 0, 0])
})

test('a loop of a client that is refused for good throws, whenever it begins', async () => {
  const { tidegate, transport } = start()
  const channel = tidegate.channel('a')
  const next = channel[Symbol.asyncIterator]().next()
  await settle()
  transport.connection.lose({ code: 'token_invalid', message: 'no', retryable: false })
  const refused = { code: 'token_invalid' }
  await assert.rejects(next, refused)
  await assert.rejects(channel[Symbol.asyncIterator]().next(), refused)
  await assert.rejects(tidegate.channel('b')[Symbol.asyncIterator]().next(), refused)
})

test('who closes in the middle of an event hears nothing more, nothing stays open', async () => {
  const { tidegate, transport, clock } = start()
  const states: string[] = []
  tidegate.on('state', ({ state }) => {
    states.push(state.type)
    if (state.type === 'connecting') tidegate.close()
  })
  tidegate.channel('a')
  await settle()
  assert.deepEqual(states, ['connecting', 'closed'])
  assert.equal(transport.connection.isClosed, true)
  transport.connection.welcome()
  assert.deepEqual(states, ['connecting', 'closed'])
  assert.deepEqual(clock.delays, [])
})

test('a signal closes the client or a holder, before and after', async () => {
  const abort = new AbortController()
  const { tidegate, transport } = start({ signal: abort.signal })
  const own = new AbortController()
  const holder = tidegate.channel('a', { signal: own.signal })
  await settle()
  own.abort()
  await settle()
  assert.deepEqual([holder.isClosed, tidegate.state.type], [true, 'idle'])
  abort.abort()
  assert.equal(tidegate.state.type, 'closed')
  assert.equal(start({ signal: abort.signal }).tidegate.state.type, 'closed')
  assert.equal(transport.connections.length, 1)
})

test('who leaves channels while it waits comes back to none, or begins anew', async () => {
  const { tidegate, transport, clock } = start({}, 'long-poll')
  const held = [tidegate.channel('orders.a'), tidegate.channel('orders.b')]
  await settle()
  transport.connection.welcome()
  const { progress } = transport.connection.request
  progress.moveTo('c9', ['orders.a', 'orders.b'])
  transport.connection.lose()
  held[0]?.close()
  await settle()
  const again = tidegate.channel('orders.a')
  await settle()
  clock.advance(1_000)
  assert.deepEqual(transport.connection.request.channels, ['orders.b', 'orders.a'])
  assert.equal(progress.place('orders.a'), undefined)
  assert.equal(progress.place('orders.b'), 'c9')
  transport.connection.lose()
  for (const holder of [again, held[1]]) holder?.close()
  await settle()
  clock.advance(60_000)
  assert.equal(tidegate.state.type, 'idle')
  assert.equal(transport.connections.length, 2)
})

test('what concerns no channel is told to the client, the rest to its channel', async () => {
  const { tidegate, transport } = start()
  const heard: string[] = []
  tidegate.on('problem', ({ code }) => heard.push(`client ${code}`))
  for (const name of ['a', 'b']) {
    const channel = tidegate.channel(name)
    channel.on('problem', ({ code }) => heard.push(`${name} ${code}`))
    channel.on('gap', ({ reason }) => heard.push(`${name} ${reason}`))
  }
  await settle()
  const { connection } = transport
  connection.say({ type: 'welcome' })
  connection.say({ type: 'problem', code: 'token_unavailable', message: 'no' })
  connection.say({ type: 'problem', code: 'forbidden', message: 'no', channel: 'b' })
  connection.say({ type: 'gap', channel: 'a', reason: 'expired' })
  assert.deepEqual(heard, ['client token_unavailable', 'b forbidden', 'a expired'])
})

test('what comes by a pattern comes to its holders, not to those of the channel', async () => {
  const { tidegate, transport } = start()
  const heard: string[] = []
  for (const name of ['a.*', 'a.1']) {
    tidegate.channel(name).on('publication', ({ publication }) => {
      heard.push(`${name} ${publication.channel}`)
    })
  }
  await settle()
  transport.connection.welcome()
  transport.connection.publish({ channel: 'a.1', pattern: 'a.*', time: 1, data: 1 })
  transport.connection.publish({ channel: 'a.1', time: 1, data: 1 })
  assert.deepEqual(heard, ['a.* a.1', 'a.1 a.1'])
})

test('a bad address is told at once', () => {
  assert.throws(() => new Tidegate('no address', { token: () => 't' }), TypeError)
})

test('`using` closes a channel and the client at the end of the block', async () => {
  const { tidegate, transport } = start()
  {
    using channel = tidegate.channel('a')
    await settle()
    assert.equal(channel.isClosed, false)
    assert.equal(transport.connection.isClosed, false)
  }
  await settle()
  assert.equal(transport.connection.isClosed, true)
  assert.equal(tidegate.state.type, 'idle')
  {
    using _client = tidegate
  }
  assert.equal(tidegate.state.type, 'closed')
})

test('a publication is sent again within the window that the welcome told', async () => {
  const scripted = new ScriptedFetch([refused(503, 'broker_unavailable', '9'), json({ offset: 1 })])
  const { tidegate, transport, clock } = start({ fetch: scripted.fetch })
  tidegate.channel('orders.1')
  await settle()
  const { gateway, progress } = transport.connection.request
  progress.begin('orders.1', { epoch: 'aaaaaaaaaaaa', offset: 0 }, false)
  gateway.welcomed({ expiresAt: clock.now() + 3_600_000, duplicateWindowSeconds: 29 })
  await assert.rejects(tidegate.publish('orders.1', 1), { code: 'publish_unanswered' })
  gateway.welcomed({ expiresAt: clock.now() + 3_600_000, duplicateWindowSeconds: 60 })
  assert.deepEqual(await tidegate.publish('orders.1', 1), { offset: 1 })
})
