/** Pages of history by name: one that may miss something is refused, not taken for all. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { HistoryAnswer } from '../durable-namespaces.js'
import { World } from './durable-world.js'
import { channel } from './read-history.js'

const away = { ok: false, code: 'broker_unavailable' }

interface Opened {
  readonly world: World
  page(after: number, limit?: number): Promise<HistoryAnswer>
  /** Once, while the next answer of the history is on its way. */
  meanwhile(run: () => void | Promise<void>): void
  lag: number
}

/** One node, that has verified three publications of one channel. */
async function opened(t: TestContext): Promise<Opened> {
  const next: (() => void | Promise<void>)[] = []
  const world = await World.open(t, {
    meanwhile: async () => next.shift()?.(),
    lag: () => self.lag,
  })
  const node = await world.node()
  const self: Opened = {
    world,
    lag: 0,
    page: (after, limit = 100) => world.until(node.hub.history(channel('orders.1'), after, limit)),
    meanwhile: (run) => void next.push(run),
  }
  for (let at = 0; at < 3; at += 1) await world.publish('orders.1')
  await world.settle(61_000)
  assert.equal(node.hub.durable.get('orders')?.verified, 3)
  return self
}

function offsetsOf(answer: HistoryAnswer): readonly (number | undefined)[] {
  assert.ok(answer.ok)
  return answer.publications.map(({ offset }) => offset)
}

test('a page has what came after an offset, and says whether there is more', async (t) => {
  const { page } = await opened(t)
  const all = await page(1)
  assert.deepEqual([offsetsOf(all), all.ok && all.hasMore], [[2, 3], false])
  const part = await page(0, 2)
  assert.deepEqual([offsetsOf(part), part.ok && part.hasMore], [[1, 2], true])
  const none = await page(3)
  assert.deepEqual([offsetsOf(none), none.ok && none.hasMore], [[], false])
})

for (const after of [0, 3]) {
  test(`a page after ${after} of a history that is made anew meanwhile is refused`, async (t) => {
    const { world, page, meanwhile } = await opened(t)
    meanwhile(() => world.renew())
    assert.deepEqual(await page(after), away)
  })
}

test('a page of a history that was rewound meanwhile is refused', async (t) => {
  const { world, page, meanwhile } = await opened(t)
  meanwhile(() => world.history.rewind('orders', 1))
  assert.deepEqual(await page(0), away)
})

test('a page before which the history went away is refused', async (t) => {
  const { world, page, meanwhile } = await opened(t)
  meanwhile(() => world.history.switchTo(false))
  assert.deepEqual(await page(0), away)
})

test('a page from a replica that lags behind what is verified is refused', async (t) => {
  const self = await opened(t)
  self.lag = 1
  assert.deepEqual(await self.page(0), away)
  assert.deepEqual(await self.page(2), away)
  self.lag = 0
  assert.deepEqual(offsetsOf(await self.page(0)), [1, 2, 3])
})

test('an end that comes after an empty page was read is not told with it', async (t) => {
  const { world, page, meanwhile } = await opened(t)
  meanwhile(async () => void (await world.publish('orders.1', { 'Tidegate-End': '1' })))
  const answer = await page(3)
  assert.ok(answer.ok)
  assert.deepEqual([answer.publications, answer.isEnded], [[], false])
  const last = await page(3)
  assert.deepEqual([offsetsOf(last), last.ok && last.isEnded], [[4], true])
  const nothing = await page(4)
  assert.deepEqual([offsetsOf(nothing), nothing.ok && nothing.isEnded], [[], true])
})

test('an empty page of a history that was made anew and outgrew it is refused', async (t) => {
  const { world, page, meanwhile } = await opened(t)
  meanwhile(() => {})
  // While the channel's newest is asked for.
  meanwhile(async () => {
    world.renew()
    for (let at = 0; at < 5; at += 1) await world.publish('orders.1')
    await new Promise((resolve) => setImmediate(resolve))
    await new Promise((resolve) => setImmediate(resolve))
  })
  assert.deepEqual(await page(3), away)
})
