/** HTTP clients for tests: an event stream event by event, a poll, raw bytes on a socket. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface StreamEvent {
  /** `message` for default events; `heartbeat` for a block with an `id:` and nothing else. */
  readonly event: string
  readonly id: string | undefined
  readonly retry: number | undefined
  readonly data: string
}

/** Reads the response's event stream; ends with the stream, or when the test does. */
export async function openStream(
  t: TestContext,
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly response: Response; readonly events: AsyncGenerator<StreamEvent> }> {
  const abort = new AbortController()
  t.after(() => abort.abort())
  const response = await fetch(url, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: abort.signal,
  })
  return { response, events: readEvents(response) }
}

async function* readEvents(response: Response): AsyncGenerator<StreamEvent> {
  assert.ok(response.body)
  const decoder = new TextDecoder()
  let text = ''
  for await (const chunk of response.body) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      yield parseEvent(text.slice(0, end))
      text = text.slice(end + 2)
    }
  }
}

function parseEvent(block: string): StreamEvent {
  const fields = block.split('\n').map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')] as const
  })
  const value = (name: string): string | undefined => fields.find(([field]) => field === name)?.[1]
  const data = fields.filter(([field]) => field === 'data').map(([, line]) => line)
  const retry = value('retry')
  return {
    event: value('event') ?? (data.length === 0 ? 'heartbeat' : 'message'),
    id: value('id'),
    retry: retry === undefined ? undefined : Number(retry),
    data: data.join('\n'),
  }
}

/** The next event; fails when the stream ends instead. */
export async function nextEvent(events: AsyncGenerator<StreamEvent>): Promise<StreamEvent> {
  const { value, done } = await events.next()
  if (done === true) assert.fail('the event stream has ended')
  return value
}

export interface PollAnswer {
  readonly cursor: string
  readonly publications: readonly { readonly channel: string; readonly data?: unknown }[]
  readonly gaps: readonly { readonly channel: string; readonly reason: string }[]
  readonly ended: readonly string[]
  readonly recovered: Readonly<Record<string, boolean>>
  readonly expiresAt: number
}

export async function poll(
  http: string,
  token: string,
  query: Readonly<Record<string, string>>,
): Promise<PollAnswer> {
  const url = `${http}/v1/events?${new URLSearchParams(query).toString()}`
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } })
  assert.equal(response.status, 200, await response.clone().text())
  return (await response.json()) as PollAnswer
}

/** The same by POST, whatever the status is. */
export function postPoll(http: string, token: string, body: object): Promise<Response> {
  return fetch(`${http}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ wait: 0, ...body }),
  })
}

/** Literal bytes in, everything that comes back out, until the server closes or `until` is seen. */
export async function rawRequest(
  t: TestContext,
  port: number,
  bytes: string | Uint8Array,
  until: RegExp = /\r\n\r\n/,
): Promise<string> {
  const socket = rawSocket(t, port)
  socket.write(bytes)
  let text = ''
  for await (const chunk of socket) {
    text += (chunk as Buffer).toString('latin1')
    if (until.test(text)) break
  }
  socket.destroy()
  return text
}

export function rawSocket(t: TestContext, port: number): Socket {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  t.after(() => socket.destroy())
  return socket
}
