/** A WebSocket client for tests, over the npm package `ws`: frames in order, waited for by type. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Packr } from 'msgpackr'
import { WebSocket, type ClientOptions } from 'ws'

export interface ReceivedFrame {
  readonly type: string
  readonly id?: number
  readonly code?: string
  readonly channel?: string
  readonly data?: unknown
  readonly [member: string]: unknown
}

const waitMsMax = 5000
const packr = new Packr({ useRecords: false })

export class TestClient {
  readonly socket: WebSocket
  /** Everything received so far. */
  readonly frames: ReceivedFrame[] = []
  /** The same as it came. */
  readonly raw: Buffer[] = []
  /** Resolves with code and reason. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>
  #taken = 0
  #wake: () => void = () => {}

  constructor(t: TestContext, url: string, protocols: string[], options: ClientOptions = {}) {
    this.socket = new WebSocket(url, protocols, options)
    this.socket.on('message', (bytes: Buffer, isBinary) => {
      this.raw.push(bytes)
      this.frames.push(
        (isBinary ? packr.unpack(bytes) : JSON.parse(bytes.toString())) as ReceivedFrame,
      )
      this.#wake()
    })
    this.socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }))
    })
    t.after(() => this.socket.terminate())
  }

  /** Connects with the token in the subprotocol, and waits for `welcome`. */
  static async connect(
    t: TestContext,
    url: string,
    token: string,
    subprotocol = 'tidegate.v1.json',
  ): Promise<TestClient> {
    const client = new TestClient(t, url, [subprotocol, `bearer.${token}`])
    await client.next('welcome')
    return client
  }

  send(frame: object): void {
    const isBinary = this.socket.protocol === 'tidegate.v1.msgpack'
    this.socket.send(isBinary ? packr.pack(frame) : JSON.stringify(frame))
  }

  /** The next frame that was not taken yet; it must be of this type. Heartbeats come by chance. */
  async next(type: string): Promise<ReceivedFrame> {
    const frame = await this.#take((one) => one.type !== 'heartbeat' || type === 'heartbeat')
    assert.equal(frame.type, type, JSON.stringify(frame))
    return frame
  }

  /** The next frame of this type; what comes before it is passed over. */
  async find(type: string): Promise<ReceivedFrame> {
    return this.#take((frame) => frame.type === type)
  }

  /** Sends the frame and returns the answer with its id, whatever comes before it. */
  async ask(frame: {
    readonly id: number
    readonly [member: string]: unknown
  }): Promise<ReceivedFrame> {
    this.send(frame)
    return this.#take(({ id }) => id === frame.id)
  }

  async #take(matches: (frame: ReceivedFrame) => boolean): Promise<ReceivedFrame> {
    const deadline = Date.now() + waitMsMax
    for (;;) {
      while (this.#taken < this.frames.length) {
        const frame = this.frames[this.#taken] as ReceivedFrame
        this.#taken += 1
        if (matches(frame)) return frame
      }
      const left = deadline - Date.now()
      if (left <= 0) assert.fail(`no such frame within ${waitMsMax} ms`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}
