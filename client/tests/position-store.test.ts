/** A page that is opened again goes on from what its application had dealt with. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { localPositions, memoryPositions, Positions } from '../position-store.js'
import { Tidegate, type TidegateOptions } from '../tidegate.js'
import { FakeClock } from './fake-clock.js'
import { FakeTransport } from './fake-transports.js'
import { setGlobal } from './set-global.js'

const epoch = 'aaaaaaaaaaaa'
const at = (offset: number) => ({ epoch, offset })

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}

/** What is saved is kept as the application's own storage would. */
function recording(text?: string) {
  const saved: Record<string, unknown>[] = []
  const save = (newer: string): void => void saved.push(JSON.parse(newer))
  return { saved, positions: new Positions({ load: () => text, save }) }
}

function start(positions: Positions, options: Partial<TidegateOptions> = {}) {
  const transport = new FakeTransport('websocket')
  const clock = new FakeClock()
  const tidegate = new Tidegate('http://gateway', {
    token: () => 't',
    transports: [transport],
    pace: { clock, random: () => 0.5 },
    positions,
    ...options,
  })
  const publish = (offset: number, channel = 'a'): void =>
    transport.connection.publish({ channel, offset, previous: offset - 1, time: offset, data: 0 })
  /** Takes channels, which begin at offset 1. */
  const begin = async (...names: readonly string[]) => {
    const channels = names.map((name) => tidegate.channel(name))
    await settle()
    transport.connection.welcome()
    for (const name of names) {
      transport.connection.request.progress.begin(name, at(1), false)
      transport.connection.say({ type: 'subscribed', channel: name })
    }
    return channels
  }
  const place = (name: string) => transport.connection.request.progress.place(name)
  return { tidegate, transport, clock, publish, begin, place }
}

test('it is saved once a second at most, while something comes', async () => {
  const { saved, positions } = recording()
  const { clock, publish, begin } = start(positions)
  await begin('a')
  for (const offset of [2, 3]) publish(offset)
  assert.deepEqual(saved, [])
  clock.advance(1_000)
  assert.deepEqual(saved, [{ a: { ...at(3), time: 3 } }])
  clock.advance(60_000)
  assert.equal(saved.length, 1)
  publish(4)
  clock.advance(999)
  publish(5)
  clock.advance(1)
  clock.advance(60_000)
  assert.deepEqual(saved.slice(1), [{ a: { ...at(5), time: 5 } }])
})

test('the next client goes on from there', async () => {
  const positions = memoryPositions()
  const one = start(positions)
  await one.begin('a')
  one.publish(2)
  one.tidegate.close()
  const other = start(positions)
  other.tidegate.channel('a')
  await settle()
  assert.deepEqual(other.place('a'), { ...at(2), time: 2 })
})

test('what was kept as text is read as text', async () => {
  const { place, tidegate } = start(memoryPositions(JSON.stringify({ a: 'c1', 'b.*': at(9) })))
  for (const name of ['a', 'b.*']) tidegate.channel(name)
  await settle()
  assert.deepEqual([place('a'), place('b.*')], ['c1', at(9)])
})

test('a store may take its time, and nothing is subscribed before', async () => {
  let give: (text: string) => void = () => undefined
  const text = new Promise<string>((resolve) => (give = resolve))
  const { tidegate, transport, place } = start(
    new Positions({ load: () => text, save: () => undefined }),
  )
  tidegate.channel('a')
  await settle()
  assert.equal(transport.connections.length, 0)
  give('{"a":"c1"}')
  await settle()
  assert.equal(place('a'), 'c1')
})

test('a client that is closed before the store has answered leaves it as it is', async () => {
  const { saved, positions } = recording('{"a":"c1"}')
  const { tidegate } = start(positions)
  tidegate.channel('a')
  tidegate.close()
  await settle()
  assert.deepEqual(saved, [])
})

test('names that are not wanted yet keep their places, those that are left do not', async () => {
  const { saved, positions } = recording(JSON.stringify({ b: 'c1', d: 'c1' }))
  const { tidegate, clock, publish, begin, place } = start(positions)
  const [a, d] = await begin('a', 'd')
  publish(2)
  d?.close()
  await settle()
  clock.advance(1_000)
  assert.deepEqual(saved.at(-1), { a: { ...at(2), time: 2 }, b: 'c1' })
  tidegate.channel('b')
  await settle()
  assert.equal(place('b'), 'c1')
  a?.close()
  await settle()
  tidegate.close()
  assert.deepEqual(saved.at(-1), { b: 'c1' })
})

test('a channel that is left and taken again begins anew, not from the store', async () => {
  const { tidegate, place } = start(memoryPositions('{"a":"c1"}'))
  tidegate.channel('a').close()
  tidegate.channel('b')
  const first = tidegate.channel('a')
  await settle()
  assert.equal(place('a'), 'c1')
  first.close()
  await settle()
  tidegate.channel('a')
  await settle()
  assert.equal(place('a'), undefined)
})

test('a place does not move while a loop has something unread', async () => {
  const { saved, positions } = recording()
  const { clock, publish, begin } = start(positions)
  const [channel] = await begin('a')
  assert.ok(channel !== undefined)
  clock.advance(1_000)
  assert.deepEqual(saved, [{ a: at(1) }])
  const reading = channel.read()
  const first = reading.next()
  for (const offset of [2, 3]) publish(offset)
  await first
  clock.advance(1_000)
  assert.equal(saved.length, 1, 'the first may not be dealt with, the second is not')
  await reading.next()
  const third = reading.next()
  await settle()
  clock.advance(1_000)
  assert.deepEqual(saved.at(-1), { a: { ...at(3), time: 3 } })
  publish(4)
  await third
  await reading.return(undefined)
  clock.advance(1_000)
  assert.deepEqual(saved.at(-1), { a: { ...at(4), time: 4 } }, 'nobody reads it any more')
})

test('a place that the gateway cannot read is not kept', async () => {
  const { saved, positions } = recording('{"a":"old"}')
  const { tidegate, transport } = start(positions)
  tidegate.channel('a')
  await settle()
  transport.connection.lose({ code: 'bad_request', retryable: false })
  tidegate.close()
  assert.deepEqual(saved, [{}])
})

for (const rubbish of ['', '{', 'null', '7', '"text"', '[1]', '{"a":null}', '{"a":5,"b":{}}']) {
  test(`a store with ${rubbish || 'an empty text'} counts as empty`, async () => {
    const { tidegate, place, transport } = start(memoryPositions(rubbish))
    for (const name of ['a', 'b']) tidegate.channel(name)
    await settle()
    assert.deepEqual(transport.connection.request.channels, ['a', 'b'])
    assert.deepEqual([place('a'), place('b')], [undefined, undefined])
  })
}

test('a store that throws is in nobody’s way', async () => {
  const fail = () => {
    throw new Error('forbidden')
  }
  const { clock, publish, begin, tidegate } = start(new Positions({ load: fail, save: fail }))
  await begin('a')
  publish(2)
  clock.advance(1_000)
  tidegate.close()
  const rejecting = start(
    new Positions({ load: () => Promise.reject(new Error('forbidden')), save: fail }),
  )
  await rejecting.begin('a')
  rejecting.tidegate.close()
})

/** What a browser has of `localStorage`, and a page that can be left. */
function browser(t: TestContext) {
  const kept = new Map<string, string>()
  const page = new EventTarget()
  setGlobal(t, 'localStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, text: string) => kept.set(key, text),
  })
  setGlobal(t, 'addEventListener', page.addEventListener.bind(page))
  setGlobal(t, 'removeEventListener', page.removeEventListener.bind(page))
  return { kept, leave: () => page.dispatchEvent(new Event('pagehide')) }
}

test('in a browser it is kept under its key, and saved when the page is left', async (t) => {
  const { kept, leave } = browser(t)
  const one = start(localPositions('user-1'))
  await one.begin('a')
  one.publish(2)
  leave()
  assert.deepEqual([...kept], [['user-1', JSON.stringify({ a: { ...at(2), time: 2 } })]])
  one.publish(3)
  leave()
  one.tidegate.close()
  kept.set('user-1', kept.get('user-1')?.replace('"offset":3', '"offset":4') ?? '')
  leave()
  const other = start(localPositions('user-1'))
  other.tidegate.channel('a')
  await settle()
  assert.deepEqual(other.place('a'), { ...at(4), time: 3 })
  const stranger = start(localPositions('user-2'))
  stranger.tidegate.channel('a')
  await settle()
  assert.equal(stranger.place('a'), undefined)
})

test('where there is no storage, nothing is kept and nothing breaks', async () => {
  assert.equal('localStorage' in globalThis, false)
  const { clock, publish, begin } = start(localPositions('user-1'))
  await begin('a')
  publish(2)
  clock.advance(1_000)
})
