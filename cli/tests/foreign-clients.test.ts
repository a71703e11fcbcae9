/** Clients that nobody here wrote: ws, eventsource, curl, and what Node brings along. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { EventSource, type ErrorEvent } from 'eventsource'
import { WebSocket } from 'ws'
import { startNats, type NatsServer, type TestScope } from '../../hub/tests/nats-server.js'
import { until } from '../../hub/tests/until.js'
import { mint } from '../../gateway/tests/tokens.js'
import { limit, fileScope, startNode, type NodeProcess } from './processes.js'

const scope = fileScope()
let nats: NatsServer
let node: NodeProcess
let events: string

const origin = 'https://app.example'
const token = mint({ sub: 'u1', subscribe: ['*'], publish: ['*'] })
const bearer = `Authorization: Bearer ${token}`
/** An `EventSource` comes back after 1 to 10 seconds (PROTOCOL 6.2). */
const retryMsMax = 15_000

before(async () => {
  nats = await startNats(scope)
  node = await startNode(scope, {
    TIDEGATE_NATS_URL: nats.url,
    TIDEGATE_ALLOWED_ORIGINS: origin,
  })
  await node.untilReady()
  events = `${node.http}/v1/events`
})

async function publish(channel: string, data: unknown): Promise<void> {
  const body = JSON.stringify({ channel, data })
  const headers = { Authorization: `Bearer ${token}` }
  const response = await fetch(`${node.http}/v1/publish`, { method: 'POST', headers, body })
  assert.equal(response.status, 200, await response.text())
}

interface Cuttable {
  readonly http: string
  /** How many connections there have been. */
  accepted(): number
  cut(): void
}

/** Stands between a client and the node, and cuts all connections when told to. */
async function cuttable(scopeOfIt: TestScope): Promise<Cuttable> {
  const sockets = new Set<Socket>()
  let accepted = 0
  const server = createServer((client) => {
    accepted += 1
    const upstream = connect(node.port, '127.0.0.1')
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  scopeOfIt.after(() => {
    server.close()
    cut()
  })
  const { port } = server.address() as AddressInfo
  return { http: `http://127.0.0.1:${port}`, accepted: () => accepted, cut }
}

interface Source {
  readonly source: EventSource
  readonly data: unknown[]
  readonly named: string[]
  readonly errors: ErrorEvent[]
}

function eventSource(scopeOfIt: TestScope, url: string): Source {
  const source = new EventSource(url)
  scopeOfIt.after(() => source.close())
  const opened: Source = { source, data: [], named: [], errors: [] }
  source.onmessage = ({ data }) => {
    opened.data.push((JSON.parse(String(data)) as { data: unknown }).data)
  }
  for (const name of ['welcome', 'gap', 'problem']) {
    source.addEventListener(name, () => opened.named.push(name))
  }
  source.onerror = (error) => opened.errors.push(error)
  return opened
}

describe('npm eventsource', { concurrency: true }, () => {
  test(
    'goes on where its connection was cut, and misses nothing (PROTOCOL 6.2, 6.5)',
    limit,
    async (t) => {
      const path = await cuttable(t)
      const url = `${path.http}/v1/events?channels=cut&token=${token}`
      const { data, named, errors } = eventSource(t, url)
      await until(() => named.length === 1)
      for (const n of [1, 2]) await publish('cut', n)
      await until(() => data.length === 2)
      path.cut()
      for (const n of [3, 4]) await publish('cut', n)
      await until(() => data.length === 4, retryMsMax)
      await publish('cut', 5)
      await until(() => data.length === 5)
      assert.deepEqual(data, [1, 2, 3, 4, 5])
      assert.deepEqual(named, ['welcome', 'welcome'])
      assert.equal(errors.length, 1)
    },
  )

  test('stops at 401 (PROTOCOL 3.5, 6.6)', limit, async (t) => {
    const { source, errors } = eventSource(t, `${events}?channels=a&token=${token}x`)
    const error = await until(() => errors[0])
    assert.equal(error.code, 401)
    assert.equal(source.readyState, EventSource.CLOSED)
  })

  test('stops at 403 (PROTOCOL 6.6)', limit, async (t) => {
    const { source, errors } = eventSource(t, `${events}?channels=chat.a&token=${token}`)
    const error = await until(() => errors[0])
    assert.equal(error.code, 403)
    assert.equal(source.readyState, EventSource.CLOSED)
  })

  test(
    'hears that NATS is away, comes back, and goes on (PROTOCOL 6.6, 10.6)',
    limit,
    async (t) => {
      const ownNats = await startNats(t)
      const lonely = await startNode(t, { TIDEGATE_NATS_URL: ownNats.url })
      await lonely.untilReady()
      await ownNats.kill()
      await lonely.untilUnready()
      const url = `${lonely.http}/v1/events?channels=a&token=${token}`
      const { source, data, named } = eventSource(t, url)
      await until(() => named.includes('problem'))
      assert.notEqual(source.readyState, EventSource.CLOSED)
      await ownNats.restart()
      await lonely.untilReady()
      await until(() => named.includes('welcome'), retryMsMax)
      const service = await ownNats.connect()
      service.publish('rt.pub.a', '{"n":1}')
      await until(() => data.length === 1)
      assert.deepEqual(data, [{ n: 1 }])
    },
  )
})

test('npm ws brings its token in each way that it has (PROTOCOL 3.1, 4.1)', limit, async (t) => {
  const offers: readonly (readonly [string, string[], Record<string, string>, string])[] = [
    [node.ws, [], { Authorization: `Bearer ${token}` }, ''],
    [`${node.ws}?token=${token}`, [], {}, ''],
    [node.ws, ['tidegate.v1.json', `bearer.${token}`], {}, 'tidegate.v1.json'],
    [node.ws, [`bearer.${token}`, 'tidegate.v1.msgpack'], {}, 'tidegate.v1.msgpack'],
  ]
  for (const [url, protocols, headers, chosen] of offers) {
    const socket = new WebSocket(url, protocols, { headers })
    t.after(() => socket.terminate())
    const [bytes] = (await once(socket, 'message')) as [Buffer]
    assert.match(bytes.toString('latin1'), /welcome/)
    assert.equal(socket.protocol, chosen)
    const ponged = once(socket, 'pong')
    socket.ping('are you there')
    assert.equal(String(((await ponged) as [Buffer])[0]), 'are you there')
    socket.close(1000, 'done')
    assert.deepEqual((await once(socket, 'close'))[0], 1000)
  }
})

test(
  'npm ws hears the status of a handshake that is refused (PROTOCOL 3.7, 9.1)',
  limit,
  async () => {
    const socket = new WebSocket(node.ws, ['tidegate.v1.json', `bearer.${token}x`])
    const [, response] = (await once(socket, 'unexpected-response')) as [
      unknown,
      { statusCode: number },
    ]
    assert.equal(response.statusCode, 401)
    socket.on('error', () => {})
    socket.terminate()
  },
)

const run = promisify(execFile)

async function curl(...args: string[]): Promise<string> {
  return (await run('curl', ['-sS', '--max-time', '20', ...args])).stdout
}

test('curl -N reads an event stream as it comes (PROTOCOL 6.2, 6.3)', limit, async (t) => {
  const args = ['-sSN', '-H', 'Accept: text/event-stream', '-H', bearer, `${events}?channels=curl`]
  const child = spawn('curl', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill())
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  await until(() => text.includes('event: welcome'))
  await publish('curl', { a: 1 })
  const message = /^id: [\w-]+\ndata: (\{"channel":"curl","time":\d+,"sender":"u1",.*\})\n\n/m
  const [, data] = await until(() => message.exec(text) ?? undefined)
  assert.match(data ?? '', /"data":\{"a":1\}\}$/)
  assert.match(text, /^retry: \d+\n/)
})

test('curl polls and publishes, with its own content type (PROTOCOL 7.1, 8.1)', limit, async () => {
  const json = ['-H', bearer, '-d', '{"channel":"polled","data":[1]}', `${node.http}/v1/publish`]
  const begun = JSON.parse(await curl('-H', bearer, `${events}?channels=polled&wait=0`)) as {
    cursor: string
  }
  const waiting = curl('-H', bearer, `${events}?channels=polled&wait=20&cursor=${begun.cursor}`)
  assert.equal(await curl(...json), '{}')
  assert.match(await waiting, /"publications":\[\{"channel":"polled",.*"data":\[1\]\}\]/)
  const body = JSON.stringify({ channels: ['polled'], cursor: begun.cursor, wait: 0 })
  assert.match(await curl('-H', bearer, '-d', body, events), /"data":\[1\]\}\],"gaps":\[\]/)
})

test(
  'curl may ask before it sends a body, or send it in chunks (PROTOCOL 8.1)',
  limit,
  async () => {
    const body = `{"channel":"large","data":"${'x'.repeat(60_000)}"}`
    for (const header of ['Expect: 100-continue', 'Transfer-Encoding: chunked']) {
      const answer = await curl(
        '-i',
        '-H',
        bearer,
        '-H',
        header,
        '-d',
        body,
        `${node.http}/v1/publish`,
      )
      assert.match(answer, /HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n\{\}$/, header)
    }
  },
)

test('curl that would rather have HTTP/2 gets HTTP/1.1', limit, async () => {
  const answer = await curl('-i', '--http2', '-H', bearer, `${events}?channels=a&wait=0`)
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
})

test('curl -I and OPTIONS are answered without content (PROTOCOL 8.4, 8.5)', limit, async () => {
  const head = await curl('-I', '-H', bearer, `${events}?channels=a`)
  assert.match(head, /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(head, /^content-type: application\/json\r$/im)
  assert.match(await curl('-I', `${events}?channels=a`), /^HTTP\/1\.1 401 /)
  const preflight = ['-H', `Origin: ${origin}`, '-H', 'Access-Control-Request-Method: POST']
  const options = await curl('-i', '-X', 'OPTIONS', ...preflight, `${node.http}/v1/publish`)
  assert.match(options, /^HTTP\/1\.1 204 /)
  assert.match(options, /^allow: POST, OPTIONS\r$/im)
  assert.match(options, /^access-control-allow-origin: https:\/\/app\.example\r$/im)
})

test(
  "Node's fetch keeps its connection from one request to the next (PROTOCOL 7.1)",
  limit,
  async (t) => {
    const path = await cuttable(t)
    const headers = { Authorization: `Bearer ${token}` }
    const requests = [
      ['GET', 'events?channels=a&wait=0', undefined, 200],
      ['POST', 'publish', '{"channel":"a","data":1}', 200],
      ['POST', 'events', '{"channels":["a"],"wait":0}', 200],
      ['POST', 'publish', '{"channel":"a"}', 400],
      ['DELETE', 'events', undefined, 405],
      ['GET', 'nothing', undefined, 404],
      ['OPTIONS', 'events', undefined, 204],
    ] as const
    for (let count = 0; count < 10; count += 1) {
      for (const [method, name, body, status] of requests) {
        const init = { method, headers, ...(body !== undefined && { body }) }
        const response = await fetch(`${path.http}/v1/${name}`, init)
        assert.equal(response.status, status, `${method} ${name}`)
        await response.arrayBuffer()
      }
    }
    // Seventy requests; it opens a second one when it is not sure that the first is free yet.
    assert.ok(path.accepted() <= 5, `${path.accepted()} connections`)
  },
)

interface NativeSocket extends EventTarget {
  readonly protocol: string
  send(text: string): void
  close(): void
}

const native = (
  globalThis as { WebSocket?: new (url: string, protocols: string[]) => NativeSocket }
).WebSocket

test(
  "Node's own WebSocket subscribes, publishes and hears (PROTOCOL 4.1, 4.8)",
  {
    skip: native === undefined && 'this Node has none: it came with Node 22',
  },
  async (t) => {
    assert.ok(native)
    const socket = new native(node.ws, ['tidegate.v1.json', `bearer.${token}`])
    t.after(() => socket.close())
    const frames: { type: string; data?: unknown }[] = []
    socket.addEventListener('message', (event) => {
      frames.push(JSON.parse((event as MessageEvent).data as string) as { type: string })
    })
    await until(() => frames.length === 1)
    assert.equal(socket.protocol, 'tidegate.v1.json')
    socket.send('{"type":"subscribe","id":1,"channel":"native"}')
    await until(() => frames.length === 2)
    socket.send('{"type":"publish","id":2,"channel":"native","data":7}')
    const heard = await until(() => frames.find(({ type }) => type === 'publication'))
    assert.equal(heard.data, 7)
  },
)
