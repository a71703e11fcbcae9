/** Positions by channel in the body of a poll or an event stream: which of what is shown counts. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { encodeCursor } from '../../shared/cursor.js'
import { cursorOf } from '../../shared/cursor-positions.js'
import type { Position } from '../../shared/position.js'
import { openNodes, type Nodes } from './durable-nodes.js'
import { range } from './durable-orders.js'
import { TestStream } from './event-stream-client.js'
import { startTestGateway, until, type TestGateway } from './harness.js'
import { poll, postPoll, type PollAnswer } from './http-client.js'
import { problemOf } from './http-connection.js'
import { SeededRandom } from '../../shared/tests/seeded-random.js'
import { mint } from './tokens.js'
import { TestClient } from './websocket-client.js'

const token = mint({ subscribe: ['>'] })
const epoch = '5f0c3a9be214'
const last = { 'Tidegate-End': '1' }

async function ask({ http }: TestGateway, body: object): Promise<PollAnswer> {
  const response = await postPoll(http, token, body)
  assert.equal(response.status, 200, await response.clone().text())
  return (await response.json()) as PollAnswer
}

function dataOf({ publications }: PollAnswer): readonly unknown[] {
  return publications.map(({ data }) => data)
}

/** One channel after the other, in any order of the channels. */
function sorted(answer: PollAnswer): readonly unknown[] {
  return [...dataOf(answer)].sort((a, b) => Number(a) - Number(b))
}

/** Where a WebSocket client is after each publication of a channel, from before the first on. */
async function positionsOf(
  t: TestContext,
  nodes: Nodes,
  { ws }: TestGateway,
  channel: string,
  numbers: readonly number[],
): Promise<readonly Position[]> {
  const client = await TestClient.connect(t, ws, token)
  const subscribed = await client.ask({ type: 'subscribe', id: 1, channel })
  const { epoch, offset, verified } = subscribed as unknown as Required<Position>
  const positions: Position[] = [{ epoch, offset, verified }]
  for (const number of numbers) {
    await nodes.publish(channel, number)
    const got = (await client.next('publication')) as unknown as Required<Position>
    positions.push({ epoch, offset: got.offset, time: got.time })
  }
  client.socket.terminate()
  return positions
}

function cursorAt(name: string, position: Position | undefined): string {
  assert.ok(position !== undefined)
  return encodeCursor(cursorOf([{ name, position }]))
}

test('each channel goes on from its own position, on any node (PROTOCOL 7.10, 14.3)', async (t) => {
  const nodes = await openNodes(t)
  const [first, second] = [await nodes.start(), await nodes.start()]
  const ones = await positionsOf(t, nodes, first, 'orders.1', range(10, 14))
  const twos = await positionsOf(t, nodes, second, 'orders.2', range(20, 24))
  const body = {
    channels: ['orders.1', 'orders.2', 'orders.3'],
    positions: { 'orders.1': ones[2], 'orders.2': cursorAt('orders.2', twos[3]) },
  }
  for (const each of [first, second]) {
    const answer = await ask(each, body)
    assert.deepEqual(sorted(answer), [12, 13, 23])
    assert.deepEqual(answer.recovered, { 'orders.1': true, 'orders.2': true })
    assert.deepEqual(answer.gaps, [])
    const next = await ask(each, { channels: body.channels, cursor: answer.cursor })
    assert.deepEqual([next.publications, Object.keys(next.recovered).length], [[], 3])
  }
})

test('a position goes before the cursor, and that before last (PROTOCOL 7.10)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const places = await positionsOf(t, nodes, node, 'orders.1', range(0, 6))
  const channels = ['orders.1']
  const cursor = cursorAt('orders.1', places[4])
  const elsewhere = cursorAt('orders.2', places[5])
  for (const [shown, expected] of [
    [{ positions: { 'orders.1': places[1] } }, [1, 2, 3, 4, 5]],
    [{ positions: { 'orders.1': cursorAt('orders.1', places[2]) } }, [2, 3, 4, 5]],
    [{}, [4, 5]],
    // Whoever shows a cursor that does not cover the channel has shown nothing of it.
    [{ positions: { 'orders.1': elsewhere } }, [4, 5]],
    [{ positions: { 'orders.2': places[1] } }, [4, 5]],
    [{ positions: {} }, [4, 5]],
    [{ positions: { 'orders.1': elsewhere }, cursor: elsewhere }, [3, 4, 5]],
    [{ positions: { 'orders.1': elsewhere }, cursor: '' }, [3, 4, 5]],
  ] as const) {
    const body = { channels, cursor, last: 3, ...shown }
    const answer = await ask(node, body)
    assert.deepEqual(dataOf(answer), expected, JSON.stringify(shown))
    const isShown = expected.length !== 3
    assert.deepEqual(answer.recovered, isShown ? { 'orders.1': true } : {})
    const stream = await TestStream.post(t, node.http, token, body)
    await stream.next('welcome')
    for (const number of expected) assert.equal((await stream.publication())['data'], number)
    stream.cut()
  }
})

test('what is missing after a position is a gap, not recovered (PROTOCOL 7.6, 7.10)', async (t) => {
  const nodes = await openNodes(t, { messagesPerChannel: 3 })
  const node = await nodes.start()
  const places = await positionsOf(t, nodes, node, 'orders.1', range(0, 8))
  const other = { epoch, offset: 3 }
  const positions = { 'orders.1': places[1], 'orders.2': other }
  // The first node still has everything in memory.
  const answer = await ask(await nodes.start(), { channels: Object.keys(positions), positions })
  assert.deepEqual(answer.recovered, { 'orders.1': false, 'orders.2': false })
  const reasons = answer.gaps.map(({ channel, reason }) => [channel, reason])
  assert.deepEqual(reasons, [
    ['orders.1', 'expired'],
    ['orders.2', 'new_epoch'],
  ])
  assert.deepEqual(dataOf(answer), [5, 6, 7])
})

test('in ephemeral channels a cursor counts, an object does not (PROTOCOL 7.10)', async (t) => {
  const nodes = await openNodes(t)
  const [node, other] = [await nodes.start(), await nodes.start()]
  const before = await poll(node.http, token, { channels: 'chat.7,news', wait: '0' })
  await nodes.publish('chat.7', 1)
  const between = await poll(node.http, token, { channels: 'chat.7', wait: '0' })
  await nodes.publish('news', 2)
  await nodes.publish('chat.7', 3)
  const channels = ['chat.7', 'news']
  const { cursor } = before
  for (const [shown, expected] of [
    [{ positions: { 'chat.7': cursor } }, [1, 3]],
    [{ positions: { 'chat.7': between.cursor }, cursor }, [2, 3]],
    [{ positions: { 'chat.7': between.cursor, news: cursor } }, [2, 3]],
    [{ positions: { 'chat.7': { epoch, offset: 1 } } }, []],
    [{ positions: { 'chat.7': { epoch, offset: 1 } }, cursor }, [1, 2, 3]],
    [{ positions: { news: between.cursor } }, []],
  ] as const) {
    const answer = await ask(node, { channels, ...shown })
    assert.deepEqual(dataOf(answer), expected, JSON.stringify(shown))
    assert.deepEqual(answer.gaps, [])
    const stream = await TestStream.post(t, node.http, token, { channels, ...shown })
    await stream.next('welcome')
    for (const number of expected) assert.equal((await stream.publication())['data'], number)
    stream.cut()
  }
  const { gaps, recovered } = await ask(other, { channels, positions: { news: cursor } })
  assert.deepEqual(
    [gaps, recovered],
    [[{ channel: 'news', reason: 'other_node' }], { news: false }],
  )
})

test('who shows by positions that all has ended is answered 204 (PROTOCOL 6.8, 7.8)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const before = await positionsOf(t, nodes, node, 'orders.1', [1])
  await nodes.publish('orders.1', 2, last)
  await nodes.publish('orders.2', 3, last)
  const { cursor } = await ask(node, { channels: ['orders.1', 'orders.2'], last: 1 })
  const channels = ['orders.1', 'orders.2']
  const two = { epoch: before[0]?.epoch, offset: 3 }
  for (const each of [node, await nodes.start()]) {
    for (const [shown, status] of [
      [{ positions: { 'orders.1': cursor, 'orders.2': two } }, 204],
      [{ positions: { 'orders.2': two }, cursor }, 204],
      [{ positions: { 'orders.1': before[1] }, cursor }, 200],
      [{ positions: { 'orders.1': cursor } }, 200],
    ] as const) {
      const polled = await postPoll(each.http, token, { channels, ...shown })
      assert.equal(polled.status, status, JSON.stringify(shown))
      const stream = await TestStream.post(t, each.http, token, { channels, ...shown })
      assert.equal(stream.response.statusCode, status, JSON.stringify(shown))
      stream.cut()
    }
    await until('nothing is left', () => each.counters.subscriptions === 0)
    assert.deepEqual(each.counters.connections, { websocket: 0, sse: 0, poll: 0 })
  }
})

test('positions of another shape, and too many, are 400 (PROTOCOL 7.10)', async (t) => {
  const { http, counters } = await startTestGateway(t, { settings: { requestChannelsMax: 3 } })
  const channels = ['orders.1', 'news']
  const wrong: readonly unknown[] = [null, [], 'x', 1, { 'orders.1': null }, { 'orders.1': '' }]
  const wrongPositions = [{ epoch }, { epoch: 'x', offset: 1 }, { epoch, offset: -1 }, 'AQEN', 7]
  const names = ['a', 'b', 'c', 'd']
  const tooMany = Object.fromEntries(names.map((name) => [name, { epoch, offset: 1 }]))
  const all = [
    ...wrong,
    ...wrongPositions.map((position) => ({ 'orders.1': position })),
    // What nobody asks for has no effect, and must be of the right shape all the same.
    ...wrongPositions.map((position) => ({ other: position })),
    tooMany,
  ]
  for (const positions of all) {
    const response = await postPoll(http, token, { channels, positions })
    const { status, code, detail } = problemOf({
      status: response.status,
      headers: new Map(response.headers),
      body: await response.text(),
    })
    assert.deepEqual([status, code], [400, 'bad_request'], JSON.stringify(positions))
    assert.match(detail, /^(?:"positions"|In "positions": ).{8,80}\.$/)
    const stream = await TestStream.post(t, http, token, { channels, positions })
    assert.equal(stream.response.statusCode, 400)
  }
  const { d, ...three } = tooMany
  assert.deepEqual((await postPoll(http, token, { channels, positions: three })).status, 200)
  assert.equal(counters.subscriptions, 0)
})

test('a channel named as properties are has its position (PROTOCOL 2.1, 7.10)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  for (const name of ['__proto__', 'constructor']) {
    const { cursor } = await poll(node.http, token, { channels: name, wait: '0' })
    await nodes.publish(name, 1)
    const body = `{"channels":["${name}"],"wait":0,"positions":{"${name}":"${cursor}"}}`
    const headers = { authorization: `Bearer ${token}` }
    const response = await fetch(`${node.http}/v1/events`, { method: 'POST', headers, body })
    const answer = (await response.json()) as PollAnswer
    assert.deepEqual(dataOf(answer), [1])
    assert.deepEqual(Object.entries(answer.recovered), [[name, true]])
  }
})

for (const seed of [1, 2, 3]) {
  test(`positions recover as their cursor does, seed ${seed} (PROTOCOL 7.10)`, async (t) => {
    const random = new SeededRandom(seed)
    const nodes = await openNodes(t, { messagesPerChannel: 12 })
    const node = await nodes.start()
    const channels = ['orders.1', 'orders.2', 'orders.3', 'chat.7']
    const arrivals: string[] = []
    const places = new Map<string, readonly Position[]>()
    for (const [at, name] of channels.slice(0, 3).entries()) {
      const numbers = range(100 * at, 100 * at + 10 + random.upTo(8))
      places.set(name, await positionsOf(t, nodes, node, name, numbers))
      arrivals.push((await poll(node.http, token, { channels: 'chat.7', wait: '0' })).cursor)
      await nodes.publish('chat.7', at)
    }
    // Its memory is empty: what limits removed is a gap there.
    const other = await nodes.start()
    let gaps = 0
    for (let round = 0; round < 40; round += 1) {
      const asked = round % 2 === 0 ? node : other
      const chosen = [...places].map(([name, all]) => ({ name, position: random.pick(all) }))
      const ephemeral = random.upTo(1) === 0 ? undefined : random.pick(arrivals)
      const own = chosen.map(({ name, position }) => {
        return [name, random.upTo(1) === 0 ? position : cursorAt(name, position)] as const
      })
      const positions = Object.fromEntries(own)
      const shown = ephemeral === undefined ? {} : { 'chat.7': ephemeral }
      const byPositions = await ask(asked, { channels, positions: { ...positions, ...shown } })
      const whole = encodeCursor(cursorOf(chosen))
      const byCursor = await ask(asked, { channels, cursor: whole, positions: shown })
      assert.deepEqual(byPositions.gaps, byCursor.gaps)
      assert.deepEqual(byPositions.recovered, byCursor.recovered)
      assert.deepEqual(sorted(byPositions), sorted(byCursor))
      assert.equal(Object.keys(byPositions.recovered).length, ephemeral === undefined ? 3 : 4)
      gaps += byPositions.gaps.filter(({ reason }) => reason === 'expired').length
    }
    assert.ok(gaps > 5, `only ${gaps} gaps`)
  })
}
