/** Subscribers under audit come back to the next node with what they have, over real sockets. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { WebSocketServer, type WebSocket } from 'ws'
import { encodeCursor } from '../../shared/cursor.js'
import { cursorOf } from '../../shared/cursor-positions.js'
import { AuditEventStream } from '../audit-event-stream.js'
import { AuditLongPoll } from '../audit-long-poll.js'
import type { AuditSubscriber, SubscriberOptions } from '../audit-subscriber.js'
import { AuditWebSocket } from '../audit-web-socket.js'
import { audit } from '../auditor.js'
import { PublicationLog } from '../publication-log.js'
import { waitFor } from '../wait.js'

const limit = { timeout: 20_000 }
const epoch = 'aaaaaaaaaaaa'
const name = 'orders.1'
const waitMs = 5_000

/** Of a node that is made of literal answers. */
interface Script {
  request(request: IncomingMessage, response: ServerResponse, body: string): void
  socket?(socket: WebSocket): void
}

async function startNode(t: TestContext, script: Script): Promise<string> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => script.request(request, response, body))
  })
  const sockets = new WebSocketServer({ server, handleProtocols: () => 'tidegate.v1.json' })
  sockets.on('connection', (socket) => script.socket?.(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function optionsFor(nodes: readonly string[]): SubscriberOptions {
  return { subscriber: 'one', names: [name], token: 'token', nodes }
}

function publication(number: number): object {
  const previous = number - 1
  return {
    channel: name,
    offset: number,
    previous,
    time: 70_000 + number,
    data: { channel: name, number },
  }
}

function cursorAt(offset: number): string {
  return encodeCursor(cursorOf([{ name, position: { epoch, offset, verified: offset } }]))
}

/** Three were published, and the gap names the fourth. */
async function assertHeard(t: TestContext, subscriber: AuditSubscriber): Promise<void> {
  const log = new PublicationLog()
  log.beginHistory('orders', epoch)
  for (const offset of [1, 2, 3, 4, 5]) log.acknowledge(name, log.send(name), offset)
  t.after(() => subscriber.stop())
  subscriber.start()
  const verdicts = (): ReturnType<typeof audit> => audit(log, [subscriber])
  await waitFor(
    'everything to be heard',
    () => verdicts().some(({ faults }) => faults.length === 0),
    waitMs,
  ).catch(() => assert.fail(JSON.stringify([subscriber.events, subscriber.lastProblem])))
  const [verdict] = verdicts()
  assert.deepEqual([verdict?.received, verdict?.named], [4, 1])
  assert.deepEqual(
    subscriber.events.filter(({ type }) => /connected/.test(type)).map(({ type }) => type),
    ['disconnected', 'reconnected'],
  )
}

const gap = { channel: name, reason: 'expired', after: 2, before: 4 }

test('a WebSocket shows the next node the position it kept (PROTOCOL 4.18)', limit, async (t) => {
  const shown: unknown[] = []
  const node = (answer: (send: (frame: object) => void, socket: WebSocket) => void): Script => ({
    request: (_, response) => void response.writeHead(404).end(),
    socket(socket) {
      const send = (frame: object): void => socket.send(JSON.stringify(frame))
      send({ type: 'welcome', subscriptions: [] })
      socket.on('message', (bytes: Buffer) => {
        shown.push((JSON.parse(bytes.toString()) as { readonly position?: unknown }).position)
        answer(send, socket)
      })
    },
  })
  const first = await startNode(
    t,
    node((send, socket) => {
      send({ type: 'subscribed', id: 0, channel: name, epoch, offset: 0, verified: 0 })
      send({ type: 'publication', ...publication(1) })
      send({ type: 'publication', ...publication(2) })
      send({ type: 'heartbeat', verified: { orders: { epoch, offset: 2 } } })
      socket.close(4001)
    }),
  )
  const second = await startNode(
    t,
    node((send) => {
      const there = { channel: name, epoch, offset: 4, verified: 4, recovered: false }
      send({ type: 'subscribed', id: 0, ...there })
      send({ type: 'gap', ...gap })
      send({ type: 'publication', ...publication(4) })
      send({ type: 'publication', ...publication(5) })
    }),
  )
  await assertHeard(t, new AuditWebSocket(optionsFor([first, second])))
  assert.deepEqual(shown, [undefined, { epoch, offset: 2, time: 70_002, verified: 2 }])
})

test('an event stream shows the next node the last id that it heard', limit, async (t) => {
  const shown: unknown[] = []
  const node = (...events: readonly string[]): Script => ({
    request(request, response) {
      shown.push(request.headers['last-event-id'])
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write(`retry: 1000\n${events.join('\n\n')}\n\n`)
      if (shown.length === 1) response.end()
    },
  })
  const message = (number: number): string =>
    `id: ${cursorAt(number)}\ndata: ${JSON.stringify(publication(number))}`
  const welcome = 'event: welcome\ndata: {"node":"n"}'
  const first = await startNode(
    t,
    node(`id: ${cursorAt(0)}\n${welcome}`, message(1), `id: ${cursorAt(1)}`, message(2)),
  )
  const lost = `event: gap\nid: ${cursorAt(3)}\ndata: ${JSON.stringify(gap)}`
  const second = await startNode(t, node(welcome, lost, message(4), message(5)))
  await assertHeard(t, new AuditEventStream(optionsFor([first, second])))
  assert.deepEqual(shown, [undefined, cursorAt(2)])
})

test('a long-poll shows the next node the cursor of the last answer', limit, async (t) => {
  const shown: unknown[] = []
  const empty = { publications: [], gaps: [], ended: [], recovered: {} }
  const node = (...answers: readonly object[]): Script => {
    const left = [...answers]
    return {
      request(_, response, body) {
        shown.push((JSON.parse(body) as { readonly cursor?: string }).cursor)
        const answer = left.shift()
        // A node that is killed answers nothing; one that has nothing to say does not yet.
        if (answer === undefined && shown.length < 5) response.destroy()
        if (answer === undefined) return
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ ...empty, ...answer }))
      },
    }
  }
  const recovered = { [name]: true }
  const first = await startNode(
    t,
    node(
      { cursor: cursorAt(0) },
      { cursor: cursorAt(2), recovered, publications: [publication(1), publication(2)] },
    ),
  )
  const second = await startNode(
    t,
    node({
      cursor: cursorAt(5),
      recovered: { [name]: false },
      gaps: [gap],
      publications: [publication(4), publication(5)],
    }),
  )
  await assertHeard(t, new AuditLongPoll(optionsFor([first, second])))
  assert.deepEqual(shown.slice(0, 4), [undefined, cursorAt(0), cursorAt(2), cursorAt(2)])
})
