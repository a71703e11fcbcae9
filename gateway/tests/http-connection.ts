/** One connection to the gateway, kept alive: literal bytes in, whole responses out. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { until } from './harness.js'

export interface HttpAnswer {
  readonly status: number
  /** By lower-case name; of a header that occurs twice, both values joined by a comma. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

export interface HttpQuestion {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export class HttpConnection {
  readonly socket: Socket
  isClosed = false
  #bytes = ''

  constructor(t: TestContext, port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.setNoDelay(true)
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => {
      this.#bytes += text
    })
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      this.isClosed = true
    })
    t.after(() => this.socket.destroy())
  }

  /** What has come and belongs to no answer that was taken. */
  get rest(): string {
    return this.#bytes
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes)
  }

  cut(): void {
    this.socket.destroy()
  }

  /** Sends the request and waits for its answer. */
  async ask(question: HttpQuestion): Promise<HttpAnswer> {
    this.send(requestText(question))
    return this.answer(question.method)
  }

  /** The next answer, which must be whole. To a `HEAD` it has no content. */
  async answer(method = 'GET'): Promise<HttpAnswer> {
    await until('an answer', () => this.#headEnd() !== -1)
    const lines = this.#take(this.#headEnd()).split('\r\n')
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(lines[0] ?? '') ?? []
    assert.ok(status !== undefined, `no status line: ${lines[0]}`)
    const headers = headersOf(lines.slice(1))
    assert.equal(headers.has('transfer-encoding'), false, 'an answer in chunks')
    const length = method === 'HEAD' ? 0 : Number(headers.get('content-length') ?? 0)
    await until('the content of an answer', () => this.#bytes.length >= length)
    return { status: Number(status), headers, body: this.#take(length) }
  }

  async closed(): Promise<void> {
    await until('the connection is closed', () => this.isClosed)
  }

  #headEnd(): number {
    const at = this.#bytes.indexOf('\r\n\r\n')
    return at === -1 ? -1 : at + 4
  }

  #take(length: number): string {
    const taken = this.#bytes.slice(0, length)
    this.#bytes = this.#bytes.slice(length)
    return taken
  }
}

/** On a connection of its own. */
export async function askOnce(
  t: TestContext,
  port: number,
  question: HttpQuestion,
): Promise<HttpAnswer> {
  const connection = new HttpConnection(t, port)
  const answer = await connection.ask(question)
  connection.cut()
  return answer
}

export function requestText({
  method = 'GET',
  path = '/v1/events',
  headers = {},
  body,
}: HttpQuestion): string {
  const lines = [`${method} ${path} HTTP/1.1`, 'Host: localhost']
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`)
  if (body !== undefined) lines.push(`Content-Length: ${Buffer.byteLength(body)}`)
  return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`
}

/** The problem of an answer that refuses; it must be one (PROTOCOL 9.1). */
export function problemOf(answer: HttpAnswer): {
  readonly code: string
  readonly status: number
  readonly detail: string
  readonly [member: string]: unknown
} {
  assert.equal(answer.headers.get('content-type'), 'application/problem+json', answer.body)
  return JSON.parse(answer.body) as ReturnType<typeof problemOf>
}

function headersOf(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of lines) {
    if (line === '') continue
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return headers
}
