/** The same reader over each transport: what it hears of publications and gaps, in order. */
import assert from 'node:assert/strict'
import { Packr } from 'msgpackr'
import { WebSocket } from 'ws'
import type { TestScope } from '../../hub/tests/nats-server.js'
import { until } from '../../hub/tests/until.js'
import type { NodeProcess } from './processes.js'
import {
  heardOf,
  publicationTexts,
  readPublication,
  type HeardPublication,
} from './raw-publication.js'

export const transports = ['json', 'msgpack', 'sse', 'long-poll', 'short-poll'] as const
export type TransportName = (typeof transports)[number]

export interface Gap {
  readonly channel: string
  readonly reason: string
}

export class Listener {
  readonly transport: TransportName
  readonly node: NodeProcess
  readonly token: string
  readonly names: readonly string[]
  readonly heard: HeardPublication[] = []
  readonly gaps: Gap[] = []
  /** Why it hears nothing more; undefined while it does. */
  ended: string | undefined = undefined
  /** The last cursor; undefined on WebSockets. */
  cursor: string | undefined = undefined

  constructor(
    transport: TransportName,
    node: NodeProcess,
    token: string,
    names: readonly string[],
  ) {
    this.transport = transport
    this.node = node
    this.token = token
    this.names = names
  }

  /** Resolves when so many have been heard. */
  async untilHeard(count: number, patienceMs?: number): Promise<void> {
    await this.#until(
      () => this.heard.length >= count,
      patienceMs,
      () => {
        return `${this.transport} heard ${this.heard.length} of ${count}`
      },
    )
  }

  async untilGaps(count: number): Promise<void> {
    await this.#until(
      () => this.gaps.length >= count,
      undefined,
      () => {
        return `${this.transport} heard ${this.gaps.length} of ${count} gaps`
      },
    )
  }

  async #until(
    holds: () => boolean,
    patienceMs: number | undefined,
    fault: () => string,
  ): Promise<void> {
    try {
      await until(() => holds() || this.ended !== undefined, patienceMs)
    } catch {
      assert.fail(fault())
    }
    assert.ok(holds(), `${fault()} and then ${this.ended}`)
  }
}

/** Resolves when the subscriptions are in effect. It leaves with the scope. */
export async function listen(
  scope: TestScope,
  transport: TransportName,
  node: NodeProcess,
  token: string,
  names: readonly string[],
): Promise<Listener> {
  const listener = new Listener(transport, node, token, names)
  if (transport === 'json' || transport === 'msgpack') await openSocket(scope, listener)
  else if (transport === 'sse') await openEventStream(scope, listener)
  else await beginPolling(scope, listener)
  return listener
}

/** One listener for each transport and node. */
export function listenEverywhere(
  scope: TestScope,
  nodes: readonly NodeProcess[],
  token: string,
  names: readonly string[],
): Promise<Listener[]> {
  return Promise.all(
    nodes.flatMap((node) =>
      transports.map((transport) => listen(scope, transport, node, token, names)),
    ),
  )
}

interface Frame {
  readonly type: string
  readonly id?: number
  readonly channel: string
  readonly reason: string
  readonly time: number
  readonly data: Buffer
  readonly contentType?: string
}

const packr = new Packr({ useRecords: false })

async function openSocket(scope: TestScope, listener: Listener): Promise<void> {
  const { node, token, transport, names } = listener
  const socket = new WebSocket(node.ws, [`tidegate.v1.${transport}`, `bearer.${token}`])
  const subscribed = new Set<string>()
  const send = (frame: object): void =>
    socket.send(transport === 'msgpack' ? packr.pack(frame) : JSON.stringify(frame))
  socket.on('message', (bytes: Buffer, isBinary) => {
    const frame = (isBinary ? packr.unpack(bytes) : JSON.parse(bytes.toString())) as Frame
    if (frame.type === 'welcome') {
      for (const [id, channel] of names.entries()) send({ type: 'subscribe', id, channel })
    } else if (frame.type === 'subscribed') subscribed.add(frame.channel)
    else if (frame.type === 'gap') listener.gaps.push(gapOf(frame))
    else if (frame.type === 'error') listener.ended = bytes.toString()
    else if (frame.type === 'publication') {
      const { type, ...members } = frame
      assert.equal(type, 'publication')
      const { contentType, data } = members
      listener.heard.push(
        isBinary
          ? heardOf(members, data, contentType === undefined)
          : readPublication(bytes.toString().replace('"type":"publication",', '')),
      )
    }
  })
  socket.on('error', (error) => (listener.ended = error.message))
  socket.on('close', (code, reason) => (listener.ended = `${code} ${reason.toString()}`))
  scope.after(() => socket.terminate())
  await until(() => subscribed.size === names.length || listener.ended)
  assert.equal(listener.ended, undefined)
}

function gapOf({ channel, reason }: Gap): Gap {
  return { channel, reason }
}

async function openEventStream(scope: TestScope, listener: Listener): Promise<void> {
  const { node, token, names } = listener
  const abort = new AbortController()
  scope.after(() => abort.abort())
  const response = await fetch(`${node.http}/v1/events?channels=${names.join(',')}`, {
    headers: { Accept: 'text/event-stream', Authorization: `Bearer ${token}` },
    signal: abort.signal,
  })
  assert.equal(response.status, 200)
  let isWelcome = false
  const hear = (event: string, id: string | undefined, data: string): void => {
    if (id !== undefined) listener.cursor = id
    if (event === 'welcome') isWelcome = true
    else if (event === 'gap') listener.gaps.push(JSON.parse(data) as Gap)
    else if (event === 'problem') listener.ended = (JSON.parse(data) as { code: string }).code
    else if (event === 'message') listener.heard.push(readPublication(data))
  }
  const reading = readEvents(response, hear)
  reading.then(
    () => (listener.ended ??= 'the end of the stream'),
    (error: unknown) => (listener.ended ??= String(error)),
  )
  await until(() => isWelcome || listener.ended)
  assert.equal(listener.ended, undefined)
}

/** Of the fields of an event, those that a plain `EventSource` knows; heartbeats have no data. */
async function readEvents(
  response: Response,
  hear: (event: string, id: string | undefined, data: string) => void,
): Promise<void> {
  assert.ok(response.body)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let text = ''
  for await (const chunk of response.body) {
    text += decoder.decode(chunk as Uint8Array, { stream: true })
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const lines = block.split('\n')
      const values = (field: string): string[] =>
        lines.flatMap((line) =>
          line.startsWith(`${field}: `) ? [line.slice(field.length + 2)] : [],
        )
      const data = values('data')
      const event = values('event')[0] ?? (data.length === 0 ? 'none' : 'message')
      hear(event, values('id')[0], data.join('\n'))
    }
  }
}

interface PollAnswer {
  readonly cursor: string
  readonly gaps: readonly Gap[]
}

/** Of a client that polls with `wait=0`. */
const pollEveryMs = 20

async function beginPolling(scope: TestScope, listener: Listener): Promise<void> {
  const abort = new AbortController()
  scope.after(() => abort.abort())
  await pollOnce(listener, 0, abort.signal)
  const wait = listener.transport === 'long-poll' ? 20 : 0
  const loop = async (): Promise<void> => {
    while (!abort.signal.aborted) {
      await pollOnce(listener, wait, abort.signal)
      if (wait === 0) await new Promise((resolve) => setTimeout(resolve, pollEveryMs))
    }
  }
  loop().catch((error: unknown) => (listener.ended = String(error)))
}

async function pollOnce(listener: Listener, wait: number, signal: AbortSignal): Promise<void> {
  const { node, names, cursor, token } = listener
  const query = new URLSearchParams({ channels: names.join(','), wait: String(wait) })
  if (cursor !== undefined) query.set('cursor', cursor)
  const response = await fetch(`${node.http}/v1/events?${query.toString()}`, {
    headers: { Authorization: `Bearer ${token}` },
    signal,
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(text)
  const answer = JSON.parse(text) as PollAnswer
  listener.cursor = answer.cursor
  listener.heard.push(...publicationTexts(text).map(readPublication))
  listener.gaps.push(...answer.gaps)
}
