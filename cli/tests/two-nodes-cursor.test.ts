/** Cursors over two nodes: what another node, or another process, cannot continue is said. */
import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { NatsConnection } from '@nats-io/transport-node'
import { startNats } from '../../hub/tests/nats-server.js'
import { nextEvent, openStream, poll } from '../../gateway/tests/http-client.js'
import { mint } from '../../gateway/tests/tokens.js'
import { freePort } from './free-port.js'
import { limit, fileScope, startNode, type NodeProcess } from './processes.js'

const scope = fileScope()
let natsUrl: string
let service: NatsConnection
let first: NodeProcess
let second: NodeProcess

const token = mint({ subscribe: ['news', 'other'] })
const bearer = { authorization: `Bearer ${token}` }
const query = { channels: 'news', wait: '0' }

before(async () => {
  const server = await startNats(scope)
  natsUrl = server.url
  service = await server.connect()
  const env = { TIDEGATE_NATS_URL: natsUrl }
  ;[first, second] = await Promise.all([startNode(scope, env), startNode(scope, env)])
  await Promise.all([first.untilReady(), second.untilReady()])
})

test(
  'a poll that continues on the other node hears a gap, and goes on (PROTOCOL 7.6, 5.6)',
  limit,
  async () => {
    const begun = await poll(first.http, token, query)
    service.publish('rt.pub.news', '"between"')
    await service.flush()
    const there = await poll(second.http, token, { ...query, cursor: begun.cursor })
    assert.deepEqual(there.gaps, [{ channel: 'news', reason: 'other_node' }])
    assert.deepEqual(there.recovered, { news: false })
    assert.deepEqual(there.publications, [])

    const waiting = poll(second.http, token, { channels: 'news', wait: '20', cursor: there.cursor })
    service.publish('rt.pub.news', '"after"')
    const { publications, gaps, recovered } = await waiting
    assert.deepEqual(
      publications.map(({ data }) => data),
      ['after'],
    )
    assert.deepEqual([gaps, recovered], [[], { news: true }])

    // The first node has kept what the second could not know of.
    const back = await poll(first.http, token, { ...query, cursor: begun.cursor })
    assert.deepEqual(
      back.publications.map(({ data }) => data),
      ['between', 'after'],
    )
    assert.deepEqual([back.gaps, back.recovered], [[], { news: true }])
  },
)

test('of a cursor of another node only what it covers is a gap (PROTOCOL 7.6)', limit, async () => {
  const { cursor } = await poll(first.http, token, query)
  const answer = await poll(second.http, token, { channels: 'news,other', wait: '0', cursor })
  assert.deepEqual(answer.gaps, [{ channel: 'news', reason: 'other_node' }])
  assert.deepEqual(answer.recovered, { news: false })
})

test(
  'an event stream that continues on the other node hears a gap (PROTOCOL 6.5)',
  limit,
  async (t) => {
    const here = await openStream(t, `${first.http}/v1/events?channels=news`, bearer)
    const welcome = await nextEvent(here.events)
    assert.equal((JSON.parse(welcome.data) as { node: string }).node, first.id)
    assert.ok(welcome.id)
    const headers = { ...bearer, 'last-event-id': welcome.id }
    const there = await openStream(t, `${second.http}/v1/events?channels=news`, headers)
    const welcomeThere = await nextEvent(there.events)
    assert.equal((JSON.parse(welcomeThere.data) as { node: string }).node, second.id)
    assert.equal(welcomeThere.id, undefined)
    const gap = await nextEvent(there.events)
    assert.deepEqual([gap.event, gap.data], ['gap', '{"channel":"news","reason":"other_node"}'])
    assert.ok(gap.id)
    service.publish('rt.pub.news', '1')
    assert.equal((await nextEvent(there.events)).event, 'message')
  },
)

test(
  'an event stream goes on where a poll was, and the reverse (PROTOCOL 6.5, 13.2)',
  limit,
  async (t) => {
    const { cursor } = await poll(first.http, token, query)
    service.publish('rt.pub.news', '"missed"')
    await service.flush()
    // In this order NATS has told the node of it: the answer to a poll that waits for it says so.
    const waited = await poll(first.http, token, { channels: 'news', wait: '20', cursor })
    assert.equal(waited.publications.length, 1)
    const headers = { ...bearer, 'last-event-id': cursor }
    const { events } = await openStream(t, `${first.http}/v1/events?channels=news`, headers)
    assert.equal((await nextEvent(events)).event, 'welcome')
    const missed = await nextEvent(events)
    assert.match(missed.data, /"data":"missed"\}$/)
    service.publish('rt.pub.news', '"later"')
    assert.match((await nextEvent(events)).data, /"data":"later"\}$/)
    const after = await poll(first.http, token, { ...query, cursor: missed.id ?? '' })
    assert.deepEqual(
      after.publications.map(({ data }) => data),
      ['later'],
    )
  },
)

test('a cursor from before a restart is from another node (PROTOCOL 7.6)', limit, async (t) => {
  // A fixed port, as in production: one that the system chose is not free again at once.
  const env = { TIDEGATE_NATS_URL: natsUrl, TIDEGATE_PORT: String(await freePort()) }
  const node = await startNode(t, env)
  await node.untilReady()
  const { cursor } = await poll(node.http, token, query)
  assert.equal(await node.end('SIGKILL'), 'SIGKILL')
  const again = await startNode(t, env)
  await again.untilReady()
  assert.equal(again.port, node.port)
  assert.notEqual(again.id, node.id)
  const answer = await poll(again.http, token, { ...query, cursor })
  assert.deepEqual(answer.gaps, [{ channel: 'news', reason: 'other_node' }])
})
