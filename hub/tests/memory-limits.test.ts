/** The limits of a history in memory by a clock that a test turns, and what a test may do to it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HistoryLayout } from '../history-layout.js'
import type { HistoryEvent } from '../history.js'
import { MemoryBroker } from '../memory-broker.js'
import { defaultHistory, type HistorySettings, type Namespace } from '../namespaces.js'
import { FakeClock } from './fake-clock.js'
import { listeningTo } from './opened-history.js'
import { channel, linesOf, mib } from './read-history.js'
import { SwitchHistory } from './switch-history.js'

const noBytes = new Uint8Array()
const one = channel('orders.1')

interface Opened {
  readonly history: SwitchHistory
  readonly broker: MemoryBroker
  readonly clock: FakeClock
  readonly events: readonly HistoryEvent[]
  /** The offset that it got. */
  store(name: string, text: string, id?: string): Promise<number | undefined>
  offsets(name: string): Promise<readonly number[]>
}

async function open(settings: Partial<HistorySettings>): Promise<Opened> {
  const layout: HistoryLayout = {
    namespaces: new Map<string, Namespace>([
      ['orders', { history: { ...defaultHistory, ...settings }, patterns: true }],
    ]),
    subjectPrefix: 'rt',
    publicationBytesMax: 65_536,
  }
  const broker = new MemoryBroker()
  const clock = new FakeClock(1_000_000)
  const history = new SwitchHistory({ broker, layout, clock })
  const events = listeningTo(history)
  await history.start()
  return {
    ...{ history, broker, clock, events },
    async store(name, text, id) {
      const headers: Record<string, string> = id === undefined ? {} : { 'Nats-Msg-Id': id }
      const result = await history.publish(channel(name), new TextEncoder().encode(text), headers)
      return result.ok ? result.offset : undefined
    },
    async offsets(name) {
      const page = await history.read('orders', channel(name), 1, 1_000, mib)
      return page?.publications.map(({ offset }) => offset) ?? []
    },
  }
}

test('a publication is kept for its age, to the millisecond', async () => {
  const { history, clock, store, offsets } = await open({ maxAgeSeconds: 60 })
  await store('orders.1', 'a')
  clock.advance(10_000)
  await store('orders.2', 'b')
  clock.advance(49_999)
  assert.deepEqual(await offsets('orders.1'), [1])
  clock.advance(1)
  assert.deepEqual(await offsets('orders.1'), [])
  const state = await history.state('orders')
  assert.deepEqual([state?.first, state?.last], [2, 2])
  clock.advance(10_000)
  const empty = await history.state('orders')
  assert.deepEqual([empty?.first, empty?.last], [3, 2])
})

test('what is old is let go of although nobody asks', async () => {
  const { history, clock, store } = await open({ maxAgeSeconds: 60 })
  await store('orders.1', 'a')
  clock.advance(70_000)
  assert.equal(clock.pending, 1)
  await history.close()
  assert.equal(clock.pending, 0)
})

test('an id is remembered for two minutes, and no longer than the age', async () => {
  const { clock, store } = await open({})
  assert.equal(await store('orders.1', 'a', 'x'), 1)
  clock.advance(119_999)
  assert.equal(await store('orders.1', 'a', 'x'), 1)
  clock.advance(1)
  assert.equal(await store('orders.1', 'a', 'x'), 2)
  const brief = await open({ maxAgeSeconds: 5 })
  assert.equal(await brief.store('orders.1', 'a', 'x'), 1)
  brief.clock.advance(5_000)
  assert.equal(await brief.store('orders.1', 'a', 'x'), 2)
})

test('a limit removes a channel’s own oldest, and holes stay holes', async () => {
  const { history, store, offsets } = await open({ messagesPerChannel: 2 })
  for (const name of ['orders.1', 'orders.2', 'orders.1', 'orders.1']) await store(name, name)
  assert.deepEqual(await offsets('orders.1'), [3, 4])
  assert.deepEqual(await offsets('orders.2'), [2])
  assert.equal((await history.state('orders'))?.first, 2)
  const all: number[] = []
  const end = await history.scan('orders', 3, ({ offset }) => all.push(offset)).ended
  assert.deepEqual([all, end?.asOf], [[3, 4], 4])
})

test('a publication that a receiver makes is answered, after all have had the first', async () => {
  const { history, broker } = await open({})
  const order: string[] = []
  const answers: unknown[] = []
  broker.subscribe('rt.live.orders.1', (message) => {
    order.push(`live ${message.header('Nats-Sequence') ?? ''}`)
    if (order.length === 1) {
      void history.publish(one, noBytes, {}).then((answer) => answers.push(answer))
    }
  })
  await history.publish(one, noBytes, {})
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(order, ['live 1', 'live 2'])
  assert.deepEqual(answers, [{ ok: true, offset: 2 }])
})

test('time never goes back with the clock', async () => {
  const { history, clock, store } = await open({})
  await store('orders.1', 'a')
  clock.advance(-60_000)
  await store('orders.1', 'b')
  const page = await history.read('orders', one, 1, 10, mib)
  assert.deepEqual(
    page?.publications.map(({ time }) => time),
    [1_000_000, 1_000_000],
  )
})

test('a test can wipe, rewind, empty and switch off a history', async () => {
  const { history, events, store, offsets } = await open({})
  for (const text of ['a', 'b', 'c', 'd']) await store('orders.1', text)
  const before = await history.state('orders')
  history.delete('orders', 2)
  assert.deepEqual(await offsets('orders.1'), [1, 3, 4])
  history.rewind('orders', 3)
  assert.deepEqual(await history.state('orders'), { ...before, last: 3 })
  assert.equal(await store('orders.1', 'again'), 4)
  history.purge('orders')
  assert.deepEqual(await history.state('orders'), { ...before, first: 5, last: 4 })
  history.switchTo(false)
  assert.equal(await history.state('orders'), undefined)
  assert.equal(await store('orders.1', 'lost'), undefined)
  history.switchTo(true)
  history.wipe('orders')
  const after = await history.state('orders')
  assert.deepEqual([after?.first, after?.last], [1, 0])
  assert.notEqual(after?.epoch, before?.epoch)
  assert.deepEqual(
    events.map(({ type }) => type),
    ['available', 'changed', 'unavailable', 'available', 'changed'],
  )
  await store('orders.1', 'new')
  const page = await history.read('orders', one, 1, 10, mib)
  assert.deepEqual(linesOf(page?.publications ?? []), ['1 new'])
})
