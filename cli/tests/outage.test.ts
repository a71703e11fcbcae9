/** NATS is killed and comes back under live connections of every transport (PROTOCOL 10.6). */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { startNats, type NatsServer } from '../../hub/tests/nats-server.js'
import { nextEvent, openStream, poll } from '../../gateway/tests/http-client.js'
import { mint } from '../../gateway/tests/tokens.js'
import { TestClient } from '../../gateway/tests/websocket-client.js'
import { listen, type Listener } from './listeners.js'
import { eventually, limit, startNode, type NodeProcess } from './processes.js'

const names = ['stocks.*', 'stocks.MSFT']
const token = mint({ sub: 'u1', subscribe: ['stocks.>', 'news'], publish: ['stocks.>', 'news'] })
const bearer = { authorization: `Bearer ${token}` }
const disconnected = names.map((channel) => ({ channel, reason: 'broker_disconnected' }))

interface Outage {
  readonly nats: NatsServer
  readonly node: NodeProcess
}

async function startBoth(t: TestContext): Promise<Outage> {
  const nats = await startNats(t)
  const node = await startNode(t, { TIDEGATE_NATS_URL: nats.url })
  await node.untilReady()
  return { nats, node }
}

async function killNats({ nats, node }: Outage): Promise<void> {
  await nats.kill()
  await node.untilUnready()
}

async function restartNats({ nats, node }: Outage): Promise<void> {
  await nats.restart()
  await node.untilReady()
}

function post(node: NodeProcess, channel = 'news'): Promise<Response> {
  const body = `{"channel":"${channel}","data":1}`
  return fetch(`${node.http}/v1/publish`, { method: 'POST', headers: bearer, body })
}

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { readonly code: string }).code
}

async function publishEverywhere({ nats, node }: Outage): Promise<void> {
  const service = await nats.connect()
  service.publish('rt.pub.stocks.MSFT', '"service"')
  await service.flush()
  assert.equal((await post(node, 'stocks.MSFT')).status, 200)
}

/** A publication once for the channel and once for the pattern. */
function payloadsOf({ heard }: Listener): string[] {
  return heard.map(({ payload }) => payload.toString())
}

function sorted(gaps: Listener['gaps']): Listener['gaps'] {
  return [...gaps].sort((a, b) => a.channel.localeCompare(b.channel))
}

test(
  'connections of every transport outlive NATS, hear a gap, go on (PROTOCOL 10.6, 5.6)',
  limit,
  async (t) => {
    const outage = await startBoth(t)
    const listeners = await Promise.all(
      (['json', 'msgpack', 'sse', 'long-poll'] as const).map((transport) =>
        listen(t, transport, outage.node, token, names),
      ),
    )
    await publishEverywhere(outage)
    for (const listener of listeners) await listener.untilHeard(4)
    await eventually('the poll waits', async () => {
      return (await outage.node.metric('tidegate_connections{transport="poll"}')) === 1
    })
    await killNats(outage)
    for (const listener of listeners) assert.equal(listener.ended, undefined, listener.transport)
    await restartNats(outage)
    for (const listener of listeners) {
      await listener.untilGaps(2)
      assert.deepEqual(sorted(listener.gaps), disconnected, listener.transport)
    }
    await publishEverywhere(outage)
    for (const listener of listeners) {
      await listener.untilHeard(8)
      const expected = ['"service"', '"service"', '1', '1']
      assert.deepEqual(payloadsOf(listener).slice(4).sort(), expected, listener.transport)
      assert.equal(listener.ended, undefined, listener.transport)
      assert.equal(listener.gaps.length, 2)
    }
    assert.equal(outage.node.countLogged('nats_disconnected'), 1)
    assert.equal(outage.node.countLogged('nats_connected'), 2)
    assert.ok(outage.node.countLogged('nats_connect_failed') <= 1)
  },
)

test(
  'while NATS is away the node lives, is not ready, and says why (PROTOCOL 10.6)',
  limit,
  async (t) => {
    const outage = await startBoth(t)
    const { node } = outage
    assert.deepEqual(await node.health('ready'), [200, { ready: true }])
    await killNats(outage)
    const reasons = ['broker_unavailable']
    assert.deepEqual(await node.health('ready'), [503, { ready: false, reasons }])
    assert.deepEqual(await node.health('live'), [200, { live: true }])
    assert.equal(await node.metric('tidegate_broker_connected'), 0)
    await restartNats(outage)
    assert.deepEqual(await node.health('ready'), [200, { ready: true }])
    assert.equal(await node.metric('tidegate_broker_connected'), 1)
  },
)

test(
  'while NATS is away only frames that need it are refused (PROTOCOL 4.9, 4.11)',
  limit,
  async (t) => {
    const outage = await startBoth(t)
    const client = await TestClient.connect(t, outage.node.ws, token)
    assert.equal(
      (await client.ask({ type: 'subscribe', id: 1, channel: 'news' })).type,
      'subscribed',
    )
    await killNats(outage)
    const refused = async (frame: object, id: number): Promise<void> => {
      const { type, code } = await client.ask({ ...frame, id })
      assert.deepEqual([type, code], ['error', 'broker_unavailable'], JSON.stringify(frame))
    }
    await refused({ type: 'publish', channel: 'news', data: 1 }, 2)
    await refused({ type: 'subscribe', channel: 'stocks.A' }, 3)
    await refused({ type: 'subscribe', channel: 'stocks.*' }, 4)
    assert.equal((await client.ask({ type: 'ping', id: 5 })).type, 'pong')
    assert.equal((await client.ask({ type: 'refresh', id: 6, token })).type, 'refreshed')
    assert.equal(
      (await client.ask({ type: 'subscribe', id: 7, channel: 'a b' })).code,
      'bad_request',
    )
    await restartNats(outage)
    assert.equal((await client.find('gap')).channel, 'news')
    const subscribed = await client.ask({ type: 'subscribe', id: 8, channel: 'stocks.A' })
    assert.equal(subscribed.type, 'subscribed')
    const published = await client.ask({ type: 'publish', id: 9, channel: 'stocks.A', data: 1 })
    assert.equal(published.type, 'published')
  },
)

test(
  'while NATS is away requests are refused for a while (PROTOCOL 6.6, 7.7, 8.1, 8.5, 9.3)',
  limit,
  async (t) => {
    const outage = await startBoth(t)
    const { node } = outage
    await killNats(outage)
    const events = `${node.http}/v1/events?channels=news`
    const refusals = [
      await fetch(`${events}&wait=0`, { headers: bearer }),
      await fetch(`${node.http}/v1/events`, {
        method: 'POST',
        headers: bearer,
        body: '{"channels":["news"]}',
      }),
      await post(node),
    ]
    for (const response of refusals) {
      assert.equal(response.status, 503)
      assert.match(response.headers.get('retry-after') ?? '', /^(?:[1-9]|[1-5]\d|60)$/)
      assert.equal(response.headers.get('content-type'), 'application/problem+json')
      assert.equal(await codeOf(response), 'broker_unavailable')
    }
    assert.equal((await fetch(events, { method: 'HEAD', headers: bearer })).status, 503)

    const stream = await openStream(t, events, bearer)
    assert.equal(stream.response.status, 200)
    const problem = await nextEvent(stream.events)
    assert.equal(problem.event, 'problem')
    assert.equal((JSON.parse(problem.data) as { code: string }).code, 'broker_unavailable')
    assert.ok(Number(problem.retry) >= 1000)
    assert.equal((await stream.events.next()).done, true)
  },
)

test(
  'a cursor from before NATS was away hears that it was (PROTOCOL 10.6, 7.6, 6.5)',
  limit,
  async (t) => {
    const outage = await startBoth(t)
    const { node } = outage
    const query = { channels: 'news', wait: '0' }
    const { cursor } = await poll(node.http, token, query)
    await killNats(outage)
    await restartNats(outage)
    const { gaps, recovered } = await poll(node.http, token, { ...query, cursor })
    assert.deepEqual(gaps, [{ channel: 'news', reason: 'broker_disconnected' }])
    assert.deepEqual(recovered, { news: false })
    const headers = { ...bearer, 'last-event-id': cursor }
    const { events } = await openStream(t, `${node.http}/v1/events?channels=news`, headers)
    assert.equal((await nextEvent(events)).event, 'welcome')
    const { event, data } = await nextEvent(events)
    assert.deepEqual([event, data], ['gap', '{"channel":"news","reason":"broker_disconnected"}'])
  },
)

test(
  'what waits for NATS when it dies is broker_unavailable (PROTOCOL 4.9, 4.11, 6.6, 7.7)',
  limit,
  async (t) => {
    const outage = await startBoth(t)
    const { nats, node } = outage
    const client = await TestClient.connect(t, node.ws, token)
    await nats.freeze()
    client.send({ type: 'publish', id: 1, channel: 'news', data: 1 })
    client.send({ type: 'subscribe', id: 2, channel: 'stocks.A' })
    const posted = post(node)
    const polled = fetch(`${node.http}/v1/events?channels=stocks.B`, { headers: bearer })
    const stream = await openStream(t, `${node.http}/v1/events?channels=stocks.C`, bearer)
    await nats.kill()
    const answers = [await client.next('error'), await client.next('error')]
    assert.deepEqual(answers.map(({ id }) => id).sort(), [1, 2])
    for (const { code } of answers) assert.equal(code, 'broker_unavailable')
    assert.deepEqual(
      [(await posted).status, await codeOf(await posted)],
      [503, 'broker_unavailable'],
    )
    assert.deepEqual(
      [(await polled).status, await codeOf(await polled)],
      [503, 'broker_unavailable'],
    )
    const problem = await nextEvent(stream.events)
    assert.deepEqual(
      [problem.event, /"code":"(\w+)"/.exec(problem.data)?.[1]],
      ['problem', 'broker_unavailable'],
    )
    assert.equal((await stream.events.next()).done, true)
  },
)

test(
  'a channel claimed while NATS is away hears a gap, then publications (PROTOCOL 10.6, 4.7)',
  limit,
  async (t) => {
    const outage = await startBoth(t)
    await killNats(outage)
    const claim = mint({ channels: ['stocks.MSFT'] })
    const client = await TestClient.connect(t, outage.node.ws, claim)
    await restartNats(outage)
    const gap = { type: 'gap', channel: 'stocks.MSFT', reason: 'broker_disconnected' }
    assert.deepEqual(await client.next('gap'), gap)
    await publishEverywhere(outage)
    assert.equal((await client.next('publication')).data, 'service')
  },
)
