/** An event stream read as a browser reads it, event by event, that can be cut off at any byte. */
import assert from 'node:assert/strict'
import { request, type IncomingMessage } from 'node:http'
import type { TestContext } from 'node:test'
import { until } from './harness.js'

export interface ReceivedEvent {
  /** `message` without an `event:` line; `heartbeat` for a block that fires no event. */
  readonly event: string
  readonly id: string | undefined
  readonly retry: number | undefined
  readonly data: string
}

export class TestStream {
  readonly response: IncomingMessage
  /** Everything as it came. */
  text = ''
  readonly events: ReceivedEvent[] = []
  /** What the next `Last-Event-ID` would be. */
  lastEventId: string | undefined = undefined
  isEnded = false
  #unread = ''
  #taken = 0

  private constructor(response: IncomingMessage) {
    this.response = response
    response.setEncoding('utf8')
    response.on('data', (text: string) => this.#read(text))
    response.on('error', () => {})
    response.on('close', () => {
      this.isEnded = true
    })
  }

  /** `query` may be a whole query string too. Whatever the status is. */
  static async open(
    t: TestContext,
    http: string,
    query: Readonly<Record<string, string>> | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<TestStream> {
    const text = typeof query === 'string' ? query : new URLSearchParams(query).toString()
    return TestStream.#ask(t, `${http}/v1/events?${text}`, { headers })
  }

  /** By POST, with its question in the body: as JSON unless it is a text. */
  static async post(
    t: TestContext,
    http: string,
    token: string,
    body: object | string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<TestStream> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const all = { authorization: `Bearer ${token}`, ...headers }
    return TestStream.#ask(t, `${http}/v1/events`, { method: 'POST', headers: all }, text)
  }

  static async #ask(
    t: TestContext,
    url: string,
    options: { readonly method?: string; readonly headers: Readonly<Record<string, string>> },
    body = '',
  ): Promise<TestStream> {
    const outgoing = request(url, {
      agent: false,
      ...options,
      headers: { accept: 'text/event-stream', ...options.headers },
    })
    t.after(() => outgoing.destroy())
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.on('response', resolve)
      outgoing.on('error', reject)
      outgoing.end(body)
    })
    return new TestStream(response)
  }

  /** Opens one that must be welcomed; the welcome is taken. */
  static async welcomed(
    t: TestContext,
    http: string,
    query: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<TestStream> {
    const stream = await TestStream.open(t, http, query, headers)
    assert.equal(stream.response.statusCode, 200)
    await stream.next('welcome')
    return stream
  }

  /** The next event that was not taken yet; it must be of this kind. */
  async next(event: string): Promise<ReceivedEvent> {
    await until(`an event ${event}`, () => this.events.length > this.#taken || this.isEnded)
    const next = this.events[this.#taken]
    assert.ok(next !== undefined, `the stream has ended, without ${event}: ${this.text}`)
    this.#taken += 1
    assert.equal(next.event, event, JSON.stringify(next))
    return next
  }

  /** The `data` of the next event, a publication, as JSON. */
  async publication(): Promise<Readonly<Record<string, unknown>>> {
    const { data } = await this.next('message')
    return JSON.parse(data) as Readonly<Record<string, unknown>>
  }

  /** Waits until the server has ended the stream; nothing untaken may be left. */
  async ended(): Promise<void> {
    await until('the stream has ended', () => this.isEnded)
    assert.deepEqual(this.events.slice(this.#taken), [])
  }

  cut(): void {
    this.response.destroy()
  }

  #read(text: string): void {
    this.text += text
    this.#unread += text
    for (let end = this.#blankLine(); end !== -1; end = this.#blankLine()) {
      const event = parseEvent(this.#unread.slice(0, end))
      this.#unread = this.#unread.slice(end + 2)
      if (event === undefined) continue
      this.events.push(event)
      this.lastEventId = event.id ?? this.lastEventId
    }
  }

  #blankLine(): number {
    return this.#unread.indexOf('\n\n')
  }
}

/** Undefined for a comment. */
function parseEvent(block: string): ReceivedEvent | undefined {
  const fields = block
    .split('\n')
    .filter((line) => !line.startsWith(':') && line !== '')
    .map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')] as const
    })
  if (fields.length === 0) return undefined
  for (const [name] of fields) assert.match(name, /^(?:event|id|retry|data)$/, block)
  const value = (name: string): string | undefined => fields.find(([field]) => field === name)?.[1]
  const data = fields.filter(([name]) => name === 'data').map(([, line]) => line)
  const retry = value('retry')
  return {
    event: value('event') ?? (data.length === 0 ? 'heartbeat' : 'message'),
    id: value('id'),
    retry: retry === undefined ? undefined : Number(retry),
    data: data.join('\n'),
  }
}
