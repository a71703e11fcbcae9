/** Polls of durable channels: what an answer holds, and where the next one goes on. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openNodes } from './durable-nodes.js'
import { until, type TestGateway } from './harness.js'
import { poll, type PollAnswer } from './http-client.js'
import { mint } from './tokens.js'

const token = mint({ subscribe: ['>'] })
const last = { 'Tidegate-End': '1' }
const answerBytesMax = 1_048_576

function ask(
  { http }: TestGateway,
  channels: string,
  query: Readonly<Record<string, string>> = {},
): Promise<PollAnswer> {
  return poll(http, token, { channels, wait: '0', ...query })
}

function dataOf({ publications }: PollAnswer): readonly unknown[] {
  return publications.map(({ data }) => data)
}

async function statusOf(
  { http }: TestGateway,
  channels: string,
  cursor: string,
): Promise<readonly [number, string]> {
  const query = new URLSearchParams({ channels, cursor, wait: '5' })
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(`${http}/v1/events?${query}`, { headers })
  return [response.status, await response.text()]
}

test('a poll goes on where the one before ended, on any node (PROTOCOL 7.9, 14.3)', async (t) => {
  const nodes = await openNodes(t)
  const [first, second] = [await nodes.start(), await nodes.start()]
  const begin = await ask(first, 'orders.1,orders.2')
  assert.deepEqual([begin.publications, begin.recovered], [[], {}])
  let { cursor } = begin
  const got: unknown[] = []
  for (let number = 0; number < 20; number += 2) {
    await nodes.publish('orders.1', number)
    await nodes.publish('orders.2', number + 1)
    const answer = await ask(number % 4 === 0 ? second : first, 'orders.1,orders.2', { cursor })
    assert.deepEqual(answer.recovered, { 'orders.1': true, 'orders.2': true })
    assert.deepEqual(answer.gaps, [])
    got.push(...dataOf(answer))
    cursor = answer.cursor
  }
  assert.deepEqual(
    [...got].sort((a, b) => Number(a) - Number(b)),
    [...Array(20).keys()],
  )
  for (const each of [first, second]) {
    const { publications } = await ask(each, 'orders.1,orders.2', { cursor })
    assert.deepEqual(publications, [])
  }
})

test('a poll that waits is answered by what is published (PROTOCOL 7.4, 7.9)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const { cursor } = await ask(node, 'orders.1,orders.*,news')
  const waiting = ask(node, 'orders.1,orders.*,news', { cursor, wait: '20' })
  await until('the poll waits', () => node.counters.connections.poll === 1)
  // Give the history time to answer: it answers in a turn of its own.
  await nodes.publish('orders.1', 1)
  const answer = await waiting
  assert.ok(dataOf(answer).includes(1))
  assert.deepEqual(answer.gaps, [])
  await until('it has left nothing', () => node.counters.subscriptions === 0)
})

test('last begins with the newest, in a query and in a body (PROTOCOL 7.8)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  for (const number of [1, 2, 3]) await nodes.publish('orders.1', number)
  assert.deepEqual(dataOf(await ask(node, 'orders.1', { last: '2' })), [2, 3])
  const post = (body: object): Promise<Response> =>
    fetch(`${node.http}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ channels: ['orders.1'], wait: 0, ...body }),
    })
  const answer = (await (await post({ last: 1 })).json()) as PollAnswer
  assert.deepEqual([dataOf(answer), answer.recovered], [[3], {}])
  for (const bad of [0, 1001, 1.5, '1', null, true, [1]]) {
    assert.equal((await post({ last: bad })).status, 400, String(bad))
  }
  const headers = { authorization: `Bearer ${token}` }
  const url = `${node.http}/v1/events?channels=orders.1&wait=0&last=x`
  assert.equal((await fetch(url, { headers })).status, 400)
})

test('who is behind by more than one answer holds gets the rest (PROTOCOL 7.4, 7.9)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const { cursor: begin } = await ask(node, 'orders.1,orders.2,news')
  const text = 'x'.repeat(60_000)
  for (let number = 0; number < 30; number += 1) {
    await nodes.publish(`orders.${1 + (number % 2)}`, [number, text])
  }
  const got: number[] = []
  let cursor = begin
  for (let round = 0; got.length < 30; round += 1) {
    assert.ok(round < 6)
    const url = new URLSearchParams({ channels: 'orders.1,orders.2,news', cursor, wait: '0' })
    const headers = { authorization: `Bearer ${token}` }
    const body = await (await fetch(`${node.http}/v1/events?${url}`, { headers })).text()
    assert.ok(body.length < answerBytesMax + 2_000, String(body.length))
    const answer = JSON.parse(body) as PollAnswer
    assert.deepEqual([answer.gaps, Object.values(answer.recovered)], [[], [true, true, true]])
    got.push(...answer.publications.map(({ data }) => (data as [number])[0]))
    cursor = answer.cursor
  }
  assert.deepEqual(
    [...got].sort((a, b) => a - b),
    [...Array(30).keys()],
  )
  assert.equal(node.counters.deliveries.poll, 30)
  const { publications } = await ask(node, 'orders.1,orders.2,news', { cursor })
  assert.deepEqual(publications, [])
})

test('what comes live beyond one answer comes with the next (PROTOCOL 7.4, 7.9)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const first = await ask(node, 'orders.1,news')
  const waiting = ask(node, 'orders.1,news', { cursor: first.cursor, wait: '20' })
  await until('it is live', () => node.counters.connections.poll === 1)
  await until('it is live', () => node.hub.interestCount === 2)
  const text = 'x'.repeat(60_000)
  // In one turn of the loop: before an answer can leave.
  for (let number = 0; number < 30; number += 1) void nodes.publish('orders.1', [number, text])
  void nodes.publish('news', [100])
  const got: number[] = []
  for (let answer = await waiting; ;) {
    assert.deepEqual(answer.gaps, [])
    got.push(...dataOf(answer).map((data) => (data as [number])[0]))
    if (answer.publications.length === 0) break
    answer = await ask(node, 'orders.1,news', { cursor: answer.cursor })
  }
  assert.deepEqual(
    got.filter((number) => number < 100),
    [...Array(30).keys()],
  )
  assert.equal(got.filter((number) => number === 100).length, 1)
})

test('what limits removed is a gap, and not recovered (PROTOCOL 7.6, 7.9, 14.5)', async (t) => {
  const nodes = await openNodes(t, { messagesPerChannel: 3 })
  const node = await nodes.start()
  // Without it nobody could tell whether something of the other channel was removed.
  await nodes.publish('orders.0', 0)
  await nodes.publish('orders.1', 1)
  const { cursor } = await ask(node, 'orders.1,orders.2', { last: '1' })
  for (let number = 2; number < 9; number += 1) await nodes.publish('orders.1', number)
  await nodes.publish('orders.2', 20)
  const other = await nodes.start()
  const answer = await ask(other, 'orders.1,orders.2', { cursor })
  assert.deepEqual(answer.gaps, [{ channel: 'orders.1', after: 2, before: 7, reason: 'expired' }])
  assert.deepEqual(answer.recovered, { 'orders.1': false, 'orders.2': true })
  assert.deepEqual([...dataOf(answer)].sort(), [20, 6, 7, 8])
  const next = await ask(node, 'orders.1,orders.2', { cursor: answer.cursor })
  assert.deepEqual([next.gaps, next.publications], [[], []])
  assert.deepEqual(next.recovered, { 'orders.1': true, 'orders.2': true })
})

test('a cursor of a history that is no more is a new epoch (PROTOCOL 7.9, 14.6)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  await nodes.publish('orders.1', 1)
  const { cursor } = await ask(node, 'orders.1', { last: '1' })
  nodes.history.wipe('orders')
  await nodes.publish('orders.1', 2)
  for (const each of [node, await nodes.start()]) {
    const { gaps, recovered, publications } = await ask(each, 'orders.1', { cursor })
    assert.deepEqual(
      gaps.map(({ channel, reason }) => [channel, reason]),
      [['orders.1', 'new_epoch']],
    )
    assert.deepEqual([recovered, publications.length], [{ 'orders.1': false }, 1])
  }
})

test('an end is told at once, then always; the last poll is 204 (PROTOCOL 7.8)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const first = await ask(node, 'orders.1,orders.2')
  assert.deepEqual(first.ended, [])
  const waiting = ask(node, 'orders.1,orders.2', { cursor: first.cursor, wait: '20' })
  await until('the poll waits', () => node.counters.connections.poll === 1)
  await nodes.publish('orders.1', 1, last)
  const told = await waiting
  assert.deepEqual([dataOf(told), told.ended], [[1], ['orders.1']])
  // Known by its cursor: no reason to answer before the end of its wait.
  const again = ask(node, 'orders.1,orders.2', { cursor: told.cursor, wait: '20' })
  await until('the poll waits', () => node.counters.connections.poll === 1)
  await nodes.publish('orders.2', 2)
  const second = await again
  assert.deepEqual([dataOf(second), second.ended], [[2], ['orders.1']])
  await nodes.publish('orders.2', 3, last)
  const all = await ask(node, 'orders.1,orders.2', { cursor: second.cursor })
  assert.deepEqual([dataOf(all), all.ended], [[3], ['orders.1', 'orders.2']])
  for (const each of [node, await nodes.start()]) {
    assert.deepEqual(await statusOf(each, 'orders.1,orders.2', all.cursor), [204, ''])
    assert.deepEqual([each.counters.connections.poll, each.counters.subscriptions], [0, 0])
  }
  // Not where there is more to come, nor where something was not got.
  const [status] = await statusOf(node, 'orders.1,orders.2', second.cursor)
  assert.equal(status, 200)
})

test('who comes to a channel that has ended hears it at once (PROTOCOL 7.8)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  await nodes.publish('orders.1', 1, last)
  const { ended, publications } = await ask(node, 'orders.1', { wait: '20' })
  assert.deepEqual([ended, publications], [['orders.1'], []])
  const withHistory = await ask(await nodes.start(), 'orders.1,news', { wait: '20', last: '3' })
  assert.deepEqual([withHistory.ended, dataOf(withHistory)], [['orders.1'], [1]])
})

test('a history that is away refuses all of a poll (PROTOCOL 7.7, 14.9)', async (t) => {
  const nodes = await openNodes(t)
  const node = await nodes.start()
  const { cursor } = await ask(node, 'news')
  nodes.history.switchTo(false)
  const [status, body] = await statusOf(node, 'news,orders.1', cursor)
  assert.equal(status, 503)
  assert.equal((JSON.parse(body) as { code: string }).code, 'broker_unavailable')
  assert.deepEqual([node.counters.connections.poll, node.counters.subscriptions], [0, 0])
  await nodes.publish('news', 1)
  assert.deepEqual(dataOf(await ask(node, 'news', { cursor })), [1])
})
