/** Two nodes and a real NATS: a publication from anywhere reaches every transport on both. */
import assert from 'node:assert/strict'
import { before, test, type TestContext } from 'node:test'
import { headers as natsHeaders, type NatsConnection } from '@nats-io/transport-node'
import { startNats, type NatsServer } from '../../hub/tests/nats-server.js'
import { until } from '../../hub/tests/until.js'
import { mint } from '../../gateway/tests/tokens.js'
import { TestClient } from '../../gateway/tests/websocket-client.js'
import { listenEverywhere, type Listener } from './listeners.js'
import { jsonPayloads, otherPayloads, serviceOnlyPayloads, type Payload } from './payloads.js'
import { limit, fileScope, startNode, type NodeProcess } from './processes.js'

/** Not limits are tested here: polls must bridge hundreds of publications, some of 60 KB. */
const roomy = {
  TIDEGATE_FRAMES_PER_SECOND_MAX: '10000',
  TIDEGATE_FRAMES_BURST_MAX: '10000',
  TIDEGATE_RING_COUNT_MAX: '10000',
  TIDEGATE_RING_BYTES_MAX: '16777216',
  TIDEGATE_OUTBOX_BYTES_MAX: '1048576',
}

const scope = fileScope()
let server: NatsServer
let service: NatsConnection
let nodes: readonly NodeProcess[]
let first: NodeProcess
let second: NodeProcess

const reader = mint({ sub: 'reader', subscribe: ['stocks.>'] })
const writer = mint({ sub: 'writer-é', subscribe: ['stocks.>'], publish: ['stocks.*'] })

before(async () => {
  server = await startNats(scope)
  service = await server.connect()
  const env = { ...roomy, TIDEGATE_NATS_URL: server.url }
  ;[first, second] = await Promise.all([startNode(scope, env), startNode(scope, env)])
  nodes = [first, second]
  await Promise.all(nodes.map((node) => node.untilReady()))
})

function publishByService(channel: string, { bytes, contentType }: Payload): void {
  if (contentType === undefined) return service.publish(`rt.pub.${channel}`, bytes)
  const headers = natsHeaders()
  headers.set('Content-Type', contentType)
  service.publish(`rt.pub.${channel}`, bytes, { headers })
}

/** A publish frame or body, its payload as it is written in the table. */
function publishText(head: string, { bytes, contentType, isJson }: Payload): string {
  if (isJson) return `{${head},"data":${bytes.toString()}}`
  const encoded = { base64: bytes.toString('base64'), contentType }
  return `{${head},${JSON.stringify(encoded).slice(1)}`
}

async function post(node: NodeProcess, body: string): Promise<void> {
  const response = await fetch(`${node.http}/v1/publish`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${writer}` },
    body,
  })
  assert.equal(response.status, 200, await response.text())
}

/** SSE carries line breaks as LF (PROTOCOL 6.3). */
function expectedBytes(listener: Listener, { bytes, isJson }: Payload): Buffer {
  if (listener.transport !== 'sse' || !isJson) return bytes
  return Buffer.from(bytes.toString('latin1').replace(/\r\n?/g, '\n'), 'latin1')
}

const octets = 'application/octet-stream'

function membersOf(pattern: string | undefined, sender: string | undefined) {
  const members = ['channel', pattern && 'pattern', 'time', sender && 'sender']
  return members.filter((name) => name !== undefined)
}

/** Each listener heard each payload twice: for the channel, and for the pattern. */
async function assertHeard(
  listeners: readonly Listener[],
  channel: string,
  payloads: readonly Payload[],
  sender: string | undefined,
): Promise<void> {
  for (const listener of listeners) await listener.untilHeard(payloads.length * 2)
  for (const listener of listeners) {
    for (const pattern of [undefined, 'stocks.*']) {
      const heard = listener.heard.filter((one) => one.pattern === pattern)
      assert.equal(heard.length, payloads.length)
      for (const [at, payload] of payloads.entries()) {
        const where = `${payload.name}, by ${listener.transport}, pattern ${pattern}`
        const one = heard[at]
        assert.ok(one)
        assert.deepEqual(one.payload, expectedBytes(listener, payload), where)
        assert.equal(one.isJson, payload.isJson, where)
        assert.equal(one.contentType, payload.isJson ? undefined : (payload.contentType ?? octets))
        assert.deepEqual([one.channel, one.sender], [channel, sender], where)
        const last =
          listener.transport === 'msgpack' ? ['contentType', 'data'] : ['base64', 'contentType']
        const members = [...membersOf(pattern, sender), ...(payload.isJson ? ['data'] : last)]
        assert.equal(one.members, members.join(','), where)
        assert.ok(Math.abs(one.time - Date.now()) < 60_000, where)
      }
    }
    assert.deepEqual(listener.gaps, [])
  }
}

function everywhere(t: TestContext, channel: string): Promise<Listener[]> {
  return listenEverywhere(t, nodes, reader, [channel, 'stocks.*'])
}

test(
  'what a NATS client publishes reaches all (PROTOCOL 11.1, 11.2, 5.1, 5.2, 5.3, 5.4, 6.3)',
  limit,
  async (t) => {
    const listeners = await everywhere(t, 'stocks.service')
    const payloads = [...jsonPayloads, ...otherPayloads, ...serviceOnlyPayloads]
    for (const payload of payloads) publishByService('stocks.service', payload)
    await assertHeard(listeners, 'stocks.service', payloads, undefined)
  },
)

test(
  'what a JSON WebSocket of one node publishes reaches all (PROTOCOL 4.11, 4.12, 5.5)',
  limit,
  async (t) => {
    const listeners = await everywhere(t, 'stocks.socket')
    const client = await TestClient.connect(t, first.ws, writer)
    const payloads = [
      ...jsonPayloads.filter((one) => one.contentType === undefined),
      ...otherPayloads,
    ]
    for (const [id, payload] of payloads.entries()) {
      client.socket.send(
        publishText(`"type":"publish","id":${id},"channel":"stocks.socket"`, payload),
      )
      assert.equal((await client.find('published')).id, id, payload.name)
    }
    await assertHeard(listeners, 'stocks.socket', payloads, 'writer-é')
  },
)

test(
  'what a MessagePack WebSocket publishes reaches all (PROTOCOL 4.13, 5.4)',
  limit,
  async (t) => {
    const listeners = await everywhere(t, 'stocks.packed')
    const client = await TestClient.connect(t, first.ws, writer, 'tidegate.v1.msgpack')
    const payloads = [...jsonPayloads, ...otherPayloads, ...serviceOnlyPayloads]
    for (const [id, { bytes, contentType, name }] of payloads.entries()) {
      const frame = { type: 'publish', id, channel: 'stocks.packed', data: bytes }
      const answer = await client.ask(contentType === undefined ? frame : { ...frame, contentType })
      assert.equal(answer.type, 'published', `${name} ${JSON.stringify(answer)}`)
    }
    await assertHeard(listeners, 'stocks.packed', payloads, 'writer-é')
  },
)

test('what is posted to the other node reaches all (PROTOCOL 8.1, 5.5)', limit, async (t) => {
  const listeners = await everywhere(t, 'stocks.post')
  const payloads = [
    ...jsonPayloads.filter((one) => one.contentType === undefined),
    ...otherPayloads,
  ]
  for (const payload of payloads)
    await post(second, publishText('"channel":"stocks.post"', payload))
  await assertHeard(listeners, 'stocks.post', payloads, 'writer-é')
})

test(
  'a numbered stream arrives whole, in one order for all of a node (PROTOCOL 5.7, 7.5, 11.4)',
  limit,
  async (t) => {
    const count = 300
    const channel = 'stocks.numbers'
    const listeners = await listenEverywhere(t, nodes, reader, [channel])
    const client = await TestClient.connect(t, first.ws, writer)
    const text = (from: string, n: number): string => `{"from":"${from}","n":${n}}`
    for (let n = 0; n < count; n += 1) {
      service.publish(`rt.pub.${channel}`, text('service', n))
      client.send({ type: 'publish', id: n, channel, data: { from: 'socket', n } })
      if (n % 3 === 0) await post(second, `{"channel":"${channel}","data":${text('post', n)}}`)
    }
    const total = count * 2 + count / 3
    for (const listener of listeners) await listener.untilHeard(total)
    for (const node of nodes) {
      const orders = listeners
        .filter((listener) => listener.node === node)
        .map((listener) => listener.heard.map(({ payload }) => payload.toString()))
      for (const order of orders) assert.deepEqual(order, orders[0])
      const numbers = (from: string): number[] =>
        (orders[0] ?? [])
          .map((line) => JSON.parse(line) as { from: string; n: number })
          .filter((one) => one.from === from)
          .map(({ n }) => n)
      const all = Array.from({ length: count }, (_, n) => n)
      assert.deepEqual(numbers('service'), all)
      assert.deepEqual(numbers('socket'), all)
      assert.deepEqual(
        numbers('post'),
        all.filter((n) => n % 3 === 0),
      )
    }
    for (const listener of listeners) assert.deepEqual(listener.gaps, [])
  },
)

test(
  'services hear bytes, content type and sender of clients (PROTOCOL 11.3)',
  limit,
  async (t) => {
    const heard: (readonly (string | undefined)[])[] = []
    const subscription = service.subscribe('rt.pub.stocks.heard', {
      callback: (_, { data, headers }) => {
        const header = (name: string): string | undefined => headers?.get(name) || undefined
        const text = Buffer.from(data).toString()
        heard.push([text, header('Content-Type'), header('Tidegate-Sender')])
      },
    })
    t.after(() => subscription.unsubscribe())
    await service.flush()
    const client = await TestClient.connect(t, first.ws, writer)
    const data = '{ "n": 12345678901234567890 }'
    client.socket.send(`{"type":"publish","id":1,"channel":"stocks.heard","data": ${data} }`)
    await client.find('published')
    await post(second, `{"channel":"stocks.heard","base64":"aGk=","contentType":"text/plain"}`)
    await post(second, `{"channel":"stocks.heard","base64":"aGk=","sender":"somebody else"}`)
    await until(() => heard.length === 3)
    assert.deepEqual(heard, [
      [data, undefined, 'writer-é'],
      ['hi', 'text/plain', 'writer-é'],
      ['hi', octets, 'writer-é'],
    ])
  },
)

test(
  'of a header twice the last counts, an overlong one is absent (PROTOCOL 11.2)',
  limit,
  async (t) => {
    const listeners = await listenEverywhere(t, nodes, reader, ['stocks.headers'])
    const publish = (pairs: readonly (readonly [string, string])[]): void => {
      const headers = natsHeaders()
      for (const [name, value] of pairs) headers.append(name, value)
      service.publish('rt.pub.stocks.headers', '1', { headers })
    }
    publish([
      ['Tidegate-Sender', 'forged'],
      ['Content-Type', 'application/json'],
      ['Tidegate-Sender', 'true'],
      ['Content-Type', 'text/plain'],
    ])
    publish([
      ['Tidegate-Sender', 's'.repeat(257)],
      ['Content-Type', `text/${'p'.repeat(257)}`],
      ['Other', 'ignored'],
    ])
    for (const listener of listeners) {
      await listener.untilHeard(2)
      const shown = listener.heard.map(({ sender, contentType }) => [sender, contentType])
      assert.deepEqual(shown, [
        ['true', 'text/plain'],
        [undefined, undefined],
      ])
    }
  },
)

test(
  'what is too large is a gap on every transport, the next one arrives (PROTOCOL 5.6)',
  limit,
  async (t) => {
    const names = ['stocks.*', 'stocks.large']
    const listeners = await listenEverywhere(t, nodes, reader, names)
    service.publish('rt.pub.stocks.large', Buffer.alloc(65_537, 0x20))
    for (const listener of listeners) await listener.untilGaps(2)
    service.publish('rt.pub.stocks.large', 'true')
    for (const listener of listeners) {
      await listener.untilHeard(2)
      assert.deepEqual(listener.gaps.map(({ channel }) => channel).sort(), names)
      // So does whoever was between two polls (7.6).
      for (const { reason } of listener.gaps) assert.equal(reason, 'too_large')
    }
  },
)

test(
  'below the prefix, what is no channel is dropped and counted (PROTOCOL 11.1)',
  limit,
  async (t) => {
    const listeners = await listenEverywhere(t, nodes, reader, ['stocks.*'])
    const line = 'tidegate_publications_dropped_total{reason="bad_channel"}'
    const before = await Promise.all(nodes.map((node) => node.metric(line)))
    for (const name of ['ü', 'a/b', 'x'.repeat(160), 'good'])
      service.publish(`rt.pub.stocks.${name}`, '1')
    for (const listener of listeners) await listener.untilHeard(1)
    const after = await Promise.all(nodes.map((node) => node.metric(line)))
    assert.deepEqual(
      after.map((count, at) => Number(count) - Number(before[at])),
      [3, 3],
    )
    for (const { heard } of listeners)
      assert.deepEqual(
        heard.map((one) => one.channel),
        ['stocks.good'],
      )
  },
)
