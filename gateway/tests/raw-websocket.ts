/** A WebSocket as bytes: the handshake header by header, frames that no library would send. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { rawSocket } from './http-client.js'
import { until } from './harness.js'

export type Headers = Readonly<Record<string, string | undefined>>

/** The handshake of RFC 6455, section 1.3; `undefined` takes a header away. */
export function handshake(headers: Headers = {}, target = '/v1/events'): string {
  const all: Headers = {
    Host: 'gateway.example',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Version': '13',
    ...headers,
  }
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}\r\n`],
  )
  return `GET ${target} HTTP/1.1\r\n${lines.join('')}\r\n`
}

export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** A whole answer: its head, and its body if it has a length. Undefined: not all is there yet. */
export function parseAnswer(text: string): Answer | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const body = text.slice(end + 4)
  if (body.length < Number(headers.get('content-length') ?? 0)) return undefined
  return { status: Number(first.split(' ')[1]), headers, body }
}

export interface ServerMessage {
  readonly opcode: number
  readonly payload: Buffer
}

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

export interface FrameBits {
  readonly isFinal?: boolean
  readonly isMasked?: boolean
  /** RSV1 to RSV3, which belong to extensions. */
  readonly reserved?: number
}

/** One frame of a client, masked as RFC 6455, section 5.3 demands. */
export function clientFrame(
  opcode: number,
  payload: string | Uint8Array,
  { isFinal = true, isMasked = true, reserved = 0 }: FrameBits = {},
): Buffer {
  const bytes = Buffer.from(payload as string)
  const length = lengthBytes(bytes.length, isMasked ? 0x80 : 0)
  const head = Buffer.concat([
    Buffer.from([(isFinal ? 0x80 : 0) | (reserved << 4) | opcode]),
    length,
  ])
  if (!isMasked) return Buffer.concat([head, bytes])
  const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d])
  const masked = bytes.map((byte, at) => byte ^ (mask[at % 4] as number))
  return Buffer.concat([head, mask, masked])
}

export function lengthBytes(length: number, bit = 0x80): Buffer {
  if (length < 126) return Buffer.from([bit | length])
  if (length < 0x10000) return Buffer.from([bit | 126, length >> 8, length & 255])
  const long = Buffer.alloc(9)
  long[0] = bit | 127
  long.writeBigUInt64BE(BigInt(length), 1)
  return long
}

const heartbeat = Buffer.from('{"type":"heartbeat"}')

export class RawWebSocket {
  readonly socket: Socket
  readonly messages: ServerMessage[] = []
  /** The TCP connection is over. */
  isEnded = false
  #bytes: Buffer = Buffer.alloc(0)
  #takenTexts = 0
  #answer: Answer | undefined = undefined

  constructor(t: TestContext, port: number) {
    this.socket = rawSocket(t, port)
    this.socket.setNoDelay(true)
    this.socket.on('data', (chunk: Buffer) => this.#take(chunk))
    this.socket.on('close', () => {
      this.isEnded = true
    })
  }

  /** Opened with the token, and welcomed. */
  static async connect(
    t: TestContext,
    port: number,
    token: string,
    subprotocol = 'tidegate.v1.json',
  ): Promise<RawWebSocket> {
    const raw = new RawWebSocket(t, port)
    const offered = `${subprotocol}, bearer.${token}`
    raw.socket.write(handshake({ 'Sec-WebSocket-Protocol': offered }))
    assert.equal((await raw.answer()).status, 101)
    if (subprotocol === 'tidegate.v1.json') await raw.nextText()
    else await until('the welcome', () => raw.messages.length > 0)
    return raw
  }

  async answer(): Promise<Answer> {
    await until('an answer to the handshake', () => this.#answer !== undefined || this.isEnded)
    return this.#answer ?? assert.fail('the connection ended without an answer')
  }

  /** What comes now is the answer to another request. */
  forgetAnswer(): void {
    this.#answer = undefined
    this.#bytes = Buffer.alloc(0)
  }

  /** Waits until the loop has sent the bytes, so that they arrive as a segment of their own. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (this.socket.destroyed || this.socket.write(bytes)) return
    await Promise.race([once(this.socket, 'drain'), once(this.socket, 'close')])
  }

  /** The next text message that was not taken yet; heartbeats, which come by chance, left out. */
  async nextText(): Promise<string> {
    const texts = (): readonly ServerMessage[] =>
      this.messages.filter(
        ({ opcode, payload }) => opcode === opcodes.text && !payload.equals(heartbeat),
      )
    await until('a text message', () => texts().length > this.#takenTexts)
    this.#takenTexts += 1
    return String(texts()[this.#takenTexts - 1]?.payload)
  }

  /** Code and reason of the server's close frame, if one came before the end. */
  async closed(): Promise<{ readonly code: number; readonly reason: string } | undefined> {
    await until('the end of the connection', () => this.isEnded || this.#close() !== undefined)
    return this.#close()
  }

  #close(): { readonly code: number; readonly reason: string } | undefined {
    const payload = this.messages.find(({ opcode }) => opcode === opcodes.close)?.payload
    if (payload === undefined) return undefined
    const code = payload.length < 2 ? 1005 : payload.readUInt16BE(0)
    return { code, reason: payload.subarray(2).toString() }
  }

  #take(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    if (this.#answer === undefined) {
      const text = this.#bytes.toString('latin1')
      this.#answer = parseAnswer(text)
      if (this.#answer?.status !== 101) return
      this.#bytes = this.#bytes.subarray(text.indexOf('\r\n\r\n') + 4)
    }
    while (this.#takeMessage());
  }

  /** Frames of the server are whole and not masked. */
  #takeMessage(): boolean {
    const bytes = this.#bytes
    if (bytes.length < 2) return false
    const short = (bytes[1] as number) & 127
    const start = short < 126 ? 2 : short === 126 ? 4 : 10
    if (bytes.length < start) return false
    const length =
      short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2))
    if (bytes.length < start + length) return false
    const payload = bytes.subarray(start, start + length)
    this.messages.push({ opcode: (bytes[0] as number) & 15, payload })
    this.#bytes = bytes.subarray(start + length)
    return true
  }
}

/** Sends a request of literal bytes and reads the whole answer. */
export async function answerTo(
  t: TestContext,
  port: number,
  request: string | Uint8Array,
): Promise<Answer> {
  const raw = new RawWebSocket(t, port)
  await raw.write(request)
  return raw.answer()
}

export function problemOf(answer: Answer): { readonly code: string; readonly detail: string } {
  assert.equal(answer.headers.get('content-type'), 'application/problem+json', answer.body)
  return JSON.parse(answer.body) as { code: string; detail: string }
}
