/** Tabs that share one connection: each hears everything once, whichever of them dies. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TabWorld, type FakeTab, type Held } from './tab-world.js'

/** Numbers that look like chance, the same in each run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function upTo(count: number, from = 1): readonly number[] {
  return Array.from({ length: count - from + 1 }, (_, at) => from + at)
}

async function start(count: number, seed = 1) {
  const world = new TabWorld(seeded(seed))
  const tabs = Array.from({ length: count }, () => world.open())
  const held = tabs.map((tab) => tab.hold('news'))
  await world.settle()
  return { world, tabs, held }
}

function publish(world: TabWorld, channel: string, times: number): void {
  for (let at = 0; at < times; at += 1) world.publish(channel)
}

test('three tabs have one connection, and each hears what it holds', async () => {
  const { world, tabs, held } = await start(3)
  const sport = tabs[1]?.hold('sport')
  await world.settle()
  publish(world, 'news', 3)
  publish(world, 'sport', 2)
  await world.settle()
  assert.equal(world.connections.size, 1)
  for (const { heard, gaps } of held) assert.deepEqual([heard, gaps], [upTo(3), []])
  assert.deepEqual(sport?.heard, [1, 2])
})

test('a leader that crashes is followed by another, from where each tab is', async () => {
  const { world, held } = await start(3)
  publish(world, 'news', 3)
  await world.settle()
  world.locks.holder?.crash()
  publish(world, 'news', 3)
  await world.settle()
  publish(world, 'news', 1)
  await world.settle()
  const others = held.filter(({ tab }) => !tab.isDead)
  assert.equal(others.length, 2)
  for (const { heard, gaps } of others) assert.deepEqual([heard, gaps], [upTo(7), []])
  assert.equal(world.connections.size, 1)
})

test('a leader that closes hands over, and the last one leaves nothing behind', async () => {
  const { world, tabs, held } = await start(3)
  for (const at of [0, 1, 2]) {
    publish(world, 'news', 2)
    await world.settle()
    assert.deepEqual(held[2]?.heard, upTo(2 * (at + 1)))
    assert.equal(world.connections.size, 1)
    tabs[at]?.tidegate.close()
    await world.settle()
  }
  assert.equal(world.connections.size, 0)
  assert.equal(world.locks.holder, undefined)
})

test('a leader that is frozen loses the lock, and takes part again when it thaws', async () => {
  const { world, held } = await start(3)
  const leader = world.locks.holder as FakeTab
  leader.isFrozen = true
  publish(world, 'news', 3)
  await world.pass(30)
  assert.notEqual(world.locks.holder, leader)
  for (const { heard, tab } of held) if (tab !== leader) assert.deepEqual(heard, upTo(3))
  leader.isFrozen = false
  await world.pass(10)
  publish(world, 'news', 1)
  await world.settle()
  for (const { heard, gaps } of held) assert.deepEqual([heard, gaps], [upTo(4), []])
  assert.equal(world.connections.size, 1)
})

test('a tab that was frozen for long is forgotten, and gets what it missed', async () => {
  const { world, tabs, held } = await start(3)
  const frozen = tabs.find((tab) => tab !== world.locks.holder) as FakeTab
  frozen.isFrozen = true
  await world.pass(240)
  publish(world, 'news', 3)
  await world.settle()
  frozen.isFrozen = false
  await world.pass(10)
  for (const { heard, gaps } of held) assert.deepEqual([heard, gaps], [upTo(3), []])
})

test('a channel that is left goes on for those who hold it, and ends with the last', async () => {
  const { world, held } = await start(2)
  held[0]?.holder.close()
  await world.settle()
  publish(world, 'news', 2)
  await world.settle()
  assert.deepEqual([held[0]?.heard, held[1]?.heard], [[], [1, 2]])
  held[1]?.holder.close()
  await world.settle()
  assert.equal(world.connections.size, 0)
})

test('what an ephemeral channel lost in a hand-over is told as a gap, once', async () => {
  const { world, tabs } = await start(3)
  const live = tabs.map((tab) => tab.hold('live.a'))
  await world.settle()
  publish(world, 'live.a', 1)
  await world.settle()
  world.locks.holder?.crash()
  await world.pass(2)
  publish(world, 'live.a', 1)
  await world.settle()
  for (const { heard, gaps, tab } of live) {
    if (tab.isDead) continue
    assert.deepEqual(heard, [1, 2])
    assert.deepEqual(gaps, [{ type: 'gap', channel: 'live.a', reason: 'not_subscribed' }])
  }
})

test('all tabs know when the connection waits, and when it is back', async () => {
  const { world, tabs, held } = await start(3)
  for (const connection of world.connections) connection.breakOff()
  await world.settle()
  for (const { tidegate } of tabs) assert.equal(tidegate.state.type, 'waiting')
  publish(world, 'news', 2)
  await world.pass(3)
  for (const { tidegate } of tabs) assert.equal(tidegate.state.type, 'connected')
  for (const { heard, gaps } of held) assert.deepEqual([heard, gaps], [upTo(2), []])
})

/** Of an ephemeral channel each comes at most once, and what is lost is told. */
function assertTold(heard: readonly number[], gaps: readonly unknown[]): void {
  const losses = heard.filter((number, at) => at > 0 && number !== (heard[at - 1] ?? 0) + 1)
  const repeats = heard.filter((number, at) => at > 0 && number <= (heard[at - 1] ?? 0))
  assert.deepEqual(repeats, [])
  assert.ok(losses.length <= gaps.length, `${losses.length} losses, ${gaps.length} told`)
}

/** Whatever happens, a tab hears every number once and in order from where it began. */
async function play(seed: number): Promise<void> {
  const world = new TabWorld(seeded(seed))
  const chance = seeded(seed + 1_000_000)
  const pick = <Each>(list: readonly Each[]): Each | undefined =>
    list[Math.floor(chance() * list.length)]
  const names = ['news', 'all.*', 'live.a']
  const channels = ['news', 'all.a', 'live.a']
  const held: Held[] = []
  const deeds: [weight: number, deed: () => void | Promise<void>][] = [
    [30, () => world.publish(pick(channels) ?? 'news')],
    [5, () => pick([...world.connections])?.heartbeat()],
    [40, async () => void (await world.step())],
    [5, () => world.clock.advance(chance() * 3_000)],
    [5, () => hold(pick(world.living))],
    [2, () => pick(held)?.holder.close()],
    [2, () => void (world.living.length < 5 && world.open())],
    [1, () => void (world.living.length > 2 && pick(world.living)?.crash())],
    [1, () => void (world.living.length > 2 && pick(world.living)?.tidegate.close())],
    [1, () => pick([...world.connections])?.breakOff()],
    [2, () => freeze(pick(world.living))],
  ]
  const freeze = (tab: FakeTab | undefined): void => void (tab && (tab.isFrozen = !tab.isFrozen))
  const hold = (tab: FakeTab | undefined): void => {
    if (tab !== undefined) held.push(tab.hold(pick(names) ?? 'news'))
  }
  for (let at = 0; at < 3; at += 1) hold(world.open())
  const weights = deeds.reduce((sum, [weight]) => sum + weight, 0)
  for (let at = 0; at < 600; at += 1) {
    let left = chance() * weights
    const [, deed] = deeds.find(([weight]) => (left -= weight) < 0) ?? []
    await deed?.()
  }
  for (const tab of world.living) tab.isFrozen = false
  await world.pass(90)
  for (const channel of channels) world.publish(channel)
  await world.pass(5)
  assert.ok(world.connections.size <= 1, `${world.connections.size} connections`)
  for (const { holder, heard, gaps, began, tab } of held) {
    const isOver = tab.isDead || holder.isClosed || tab.tidegate.state.type === 'closed'
    const newest = world.newest(holder.name)
    const [first = newest + 1] = heard
    if (holder.name === 'live.a') {
      assertTold(heard, gaps)
      continue
    }
    assert.deepEqual(gaps, [], 'nothing is lost')
    assert.deepEqual(heard, upTo(heard.at(-1) ?? first - 1, first), 'each once and in order')
    if (isOver) continue
    assert.equal(heard.at(-1), newest, 'all has come')
    assert.ok(first <= began.at + 1, 'nothing is missing from its beginning')
  }
}

test('whatever happens to tabs, everyone hears each once and in order', async () => {
  const seeds = Number(process.env['SEEDS'] ?? 100)
  for (let seed = 1; seed <= seeds; seed += 1) {
    await play(seed).catch((error: unknown) => {
      throw new Error(`with seed ${seed}: ${String(error)}`, { cause: error })
    })
  }
})
