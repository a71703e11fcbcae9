/** Short streams, one after the other: each goes on from the last `id:` of the one before. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { TestStream, type ReceivedEvent } from './event-stream-client.js'
import { until } from './harness.js'

/** One that has ended, which must be 200. */
export async function readShort(
  t: TestContext,
  http: string,
  token: string,
  body: object,
): Promise<TestStream> {
  const stream = await TestStream.post(t, http, token, body)
  await whole(stream)
  assert.equal(stream.response.statusCode, 200, stream.text)
  return stream
}

export async function whole(stream: TestStream): Promise<void> {
  await until('the stream has ended', () => stream.isEnded)
}

/** What follows the welcome: data of publications, and what else is said by name. */
export function saidIn(events: readonly ReceivedEvent[]): readonly unknown[] {
  return events
    .filter(({ event }) => event !== 'welcome' && event !== 'heartbeat')
    .map(({ event, data }) => {
      const { channel, reason, code, data: payload } = JSON.parse(data) as Record<string, unknown>
      return event === 'message' ? payload : [event, channel ?? code, ...(reason ? [reason] : [])]
    })
}

export interface FollowerOptions {
  readonly token: string
  readonly channels: readonly string[]
  readonly wait: number
  /** The node to ask this time. */
  readonly node: (round: number) => string
  /** How many of its events arrive before the stream is cut off; absent: all. */
  readonly arriving?: (count: number) => number
}

export class ShortFollower {
  readonly said: unknown[] = []
  /** Streams that have ended. */
  rounds = 0
  readonly #t: TestContext
  readonly #options: FollowerOptions
  #cursor: string | undefined = undefined
  #isStopped = false
  #done: Promise<void> = Promise.resolve()

  constructor(t: TestContext, options: FollowerOptions) {
    this.#t = t
    this.#options = options
  }

  /** Resolves when it has a cursor: from then on it must get everything. */
  async start(): Promise<void> {
    await this.#ask(0)
    this.#done = this.#follow()
  }

  /** Resolves when the last stream has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#done
  }

  async #follow(): Promise<void> {
    while (!this.#isStopped) await this.#ask(this.#options.wait)
  }

  async #ask(wait: number): Promise<void> {
    const { token, channels, node, arriving = all } = this.#options
    const body = { channels, wait, ...(this.#cursor !== undefined && { cursor: this.#cursor }) }
    const stream = await readShort(this.#t, node(this.rounds), token, body)
    assert.equal(stream.events[0]?.event, 'welcome', stream.text)
    assert.equal(stream.events.at(-1)?.event, 'heartbeat', stream.text)
    const events = stream.events.slice(0, arriving(stream.events.length))
    this.said.push(...saidIn(events))
    this.#cursor = events.findLast(({ id }) => id !== undefined)?.id ?? this.#cursor
    this.rounds += 1
  }
}

const all = (count: number): number => count
