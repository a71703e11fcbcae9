/** Loops that are slower than what comes: what they lose, and who hears of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ReadOptions } from '../publication-buffer.js'
import { Tidegate } from '../tidegate.js'
import type { TransportName } from '../transport.js'
import { FakeClock } from './fake-clock.js'
import { FakeTransport } from './fake-transports.js'

const epoch = 'aaaaaaaaaaaa'

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** Two holders of `a`, one of `b`; the loop is over the first one and has one publication. */
async function start(options: ReadOptions, name: TransportName = 'websocket') {
  const transport = new FakeTransport(name)
  const tidegate = new Tidegate('http://gateway', {
    token: () => 't',
    transports: [transport],
    pace: { clock: new FakeClock(), random: () => 0.5 },
  })
  const [channel, other] = [tidegate.channel<number>('a'), tidegate.channel<number>('a')]
  tidegate.channel('b')
  const told: object[] = []
  channel.on('gap', (event) => told.push(event))
  await settle()
  transport.connection.welcome()
  const { progress } = transport.connection.request
  progress.begin('a', { epoch, offset: 0 }, false)
  let last = 0
  const publish = (count: number): void => {
    for (const end = last + count; last < end;) {
      const [offset, previous] = [(last += 1), last - 1]
      transport.connection.publish({ channel: 'a', offset, previous, time: 1, data: offset })
    }
  }
  const loop = channel.read(options)
  const first = loop.next()
  publish(1)
  await first
  const take = async (): Promise<number | undefined> => (await loop.next()).value?.data
  return { transport, tidegate, channel, other, told, publish, loop, take, progress }
}

test('by default the oldest is dropped, and a gap tells which', async () => {
  const { told, publish, take } = await start({ bufferMax: 2 })
  publish(4)
  assert.deepEqual(told, [
    { type: 'gap', channel: 'a', reason: 'slow_consumer', after: 1, before: 3 },
    { type: 'gap', channel: 'a', reason: 'slow_consumer', after: 2, before: 4 },
  ])
  assert.deepEqual([await take(), await take()], [4, 5])
})

test('256 wait for a loop that names no bound', async () => {
  const { told, publish } = await start({})
  publish(256)
  assert.equal(told.length, 0)
  publish(1)
  assert.equal(told.length, 1)
})

test('what is dropped of an ephemeral channel has no bounds', async () => {
  const { told, transport } = await start({ bufferMax: 1 })
  for (const data of [1, 2]) transport.connection.publish({ channel: 'a', time: 1, data })
  assert.deepEqual(told, [{ type: 'gap', channel: 'a', reason: 'slow_consumer' }])
})

test('who wants the latest gets it, and hears of nothing else', async () => {
  const { told, publish, take, transport } = await start({ bufferMax: 1, whenFull: 'latest' })
  publish(9)
  assert.equal(await take(), 10)
  assert.deepEqual(told, [])
  assert.deepEqual(transport.connection.updates, [])
})

test('a full loop pauses its channel in its place, until half of it is read', async () => {
  const { told, publish, take, transport, progress } = await start({
    bufferMax: 4,
    whenFull: 'pause',
  })
  const { updates } = transport.connection
  publish(3)
  assert.deepEqual(updates, [])
  publish(1)
  assert.deepEqual(updates, [['b']])
  assert.deepEqual(progress.place('a'), { epoch, offset: 5, time: 1 }, 'it goes on from here')
  assert.equal(await take(), 2)
  assert.deepEqual(updates, [['b']])
  assert.equal(await take(), 3)
  assert.deepEqual(updates, [['b'], ['a', 'b']])
  publish(1)
  assert.deepEqual([await take(), await take(), await take()], [4, 5, 6])
  assert.deepEqual(told, [])
})

test('by poll, a pause is another request, and so is its end', async () => {
  const { publish, take, transport } = await start({ bufferMax: 1, whenFull: 'pause' }, 'long-poll')
  publish(1)
  await take()
  assert.deepEqual(
    transport.connections.map(({ request, isClosed }) => [request.channels, isClosed]),
    [
      [['a', 'b'], true],
      [['b'], true],
      [['a', 'b'], false],
    ],
  )
})

for (const way of ['leaves the loop', 'closes its holder', 'aborts'] as const) {
  test(`who pauses and ${way} holds up nobody else`, async () => {
    const abort = new AbortController()
    const { signal } = abort
    const { publish, loop, transport, channel, other } = await start({
      bufferMax: 1,
      whenFull: 'pause',
      signal,
    })
    publish(1)
    const { updates } = transport.connection
    assert.deepEqual(updates, [['b']])
    if (way === 'aborts') abort.abort()
    else if (way === 'closes its holder') channel.close()
    else await loop.return(undefined)
    // Whoever leaves by these ways is still to come back for what it was given.
    if (way !== 'leaves the loop') while ((await loop.next()).done !== true);
    await settle()
    assert.deepEqual(updates, [['b'], ['a', 'b']])
    assert.equal(other.isClosed, false)
  })
}

test('two loops of one channel are read each at its own pace', async () => {
  const { publish, channel, take, told } = await start({ bufferMax: 1, whenFull: 'latest' })
  const second = channel.read({ bufferMax: 3 })
  const next = second.next()
  publish(3)
  assert.equal(await take(), 4)
  assert.deepEqual([(await next).value?.data, (await second.next()).value?.data], [2, 3])
  assert.deepEqual(told, [])
})

test('after an end, a loop goes on if somebody publishes again (PROTOCOL 4.21)', async () => {
  const { publish, transport, channel, take } = await start({})
  transport.connection.say({ type: 'ended', channel: 'a' })
  assert.equal(await take(), undefined)
  publish(1)
  const again = channel.read()
  const next = again.next()
  publish(1)
  assert.equal((await next).value?.data, 3)
})
