/** An event stream whose other end a test writes, by a real HTTP server. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import type { TokenProvider } from '../credentials.js'
import { EventStreamTransport } from '../event-stream-transport.js'
import { Progress } from '../progress.js'
import type { Connection, ConnectionRequest } from '../transport.js'
import { FakeClock } from './fake-clock.js'
import { HeardEvents } from './heard-events.js'
import { readJson, startHttp } from './http-server.js'
import { testGateway } from './test-gateway.js'
import { until } from './until.js'

export interface Asked {
  readonly request: IncomingMessage
  readonly body: unknown
  readonly response: ServerResponse
}

export const wanted: readonly string[] = ['a', 'b']
const told = {
  ...{ connection: 'c', node: 'n', expiresAt: 1e12, heartbeatSeconds: 30 },
  subscriptions: wanted,
}
export const welcome: string = `event: welcome\nid: c0\ndata: ${JSON.stringify(told)}\n\n`

/** An event of channel a, whose data is its offset. */
export function publication(id: string, offset: number, more: object = {}): string {
  const placed = { channel: 'a', offset, previous: offset - 1, time: 5, data: offset, ...more }
  return `id: ${id}\ndata: ${JSON.stringify(placed)}\n\n`
}

export interface Opened {
  readonly heard: HeardEvents
  readonly connection: Connection
}

export interface Served {
  /** One for each request, in order. */
  readonly asked: readonly Asked[]
  readonly clock: FakeClock
  readonly progress: Progress
  readonly open: (request?: Partial<ConnectionRequest>, react?: () => void) => Opened
}

/** A stream is open. */
export interface Streamed extends Served, Opened {
  readonly response: ServerResponse
  readonly say: (text: string) => void
}

/** Answers one stream after another by what `begin` writes; by default it is open. */
export async function serve(
  t: TestContext,
  begin: (response: ServerResponse, at: number) => void = (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
  },
  token: TokenProvider = () => 'secret',
): Promise<Served> {
  const asked: Asked[] = []
  const { url } = await startHttp(t, (request, response) => {
    void readJson(request).then((body) => begin(response, asked.push({ request, body, response })))
  })
  const clock = new FakeClock()
  const gateway = testGateway(url, { clock, token })
  const progress = new Progress()
  const open = (more: Partial<ConnectionRequest> = {}, react: () => void = () => undefined) => {
    const heard = new HeardEvents()
    const request = { gateway, channels: wanted, progress, ...more }
    const connection = new EventStreamTransport().open(request, (event) => {
      heard.take(event)
      react()
    })
    t.after(() => connection.close())
    return { heard, connection }
  }
  return { asked, clock, progress, open }
}

export async function connect(
  t: TestContext,
  more: Partial<ConnectionRequest> = {},
): Promise<Streamed> {
  const served = await serve(t)
  const opened = served.open(more)
  await until(() => served.asked.length > 0)
  const [{ response }] = served.asked as [Asked]
  const say = (text: string) => void response.write(text)
  return { ...served, ...opened, progress: more.progress ?? served.progress, response, say }
}

export async function welcomed(
  t: TestContext,
  more: Partial<ConnectionRequest> = {},
): Promise<Streamed> {
  const connected = await connect(t, more)
  connected.say(welcome)
  await connected.heard.next('ready')
  return connected
}
