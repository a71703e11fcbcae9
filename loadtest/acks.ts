/** Acks of what one connection publishes into streams: the offset of each publication. */
import { createInbox, type NatsConnection } from '@nats-io/transport-node'
import { waitFor } from './wait.js'

/** A server that stores, but slowly, answers within this. */
const silenceMs = 20_000

export class Acks {
  readonly #inbox = `${createInbox()}.`
  readonly #waiting = new Map<string, (offset: number) => void>()
  #count = 0
  #failure: Error | undefined

  constructor(connection: NatsConnection) {
    connection.subscribe(`${this.#inbox}*`, {
      callback: (_error, message) => {
        const token = message.subject.slice(this.#inbox.length)
        const acked = this.#waiting.get(token)
        this.#waiting.delete(token)
        const offset = offsetOf(message.string())
        if (offset === undefined) {
          this.#failure ??= new Error(`a publication was not stored: ${message.string()}`)
        } else acked?.(offset)
      },
    })
  }

  get waiting(): number {
    return this.#waiting.size
  }

  /** The reply subject of one publication. */
  expect(acked: (offset: number) => void = () => {}): string {
    this.#count += 1
    const token = String(this.#count)
    this.#waiting.set(token, acked)
    return this.#inbox + token
  }

  /** Until no more than so many are waited for; rejects if one was refused, or none comes. */
  async atMost(waitingMax: number): Promise<void> {
    await waitFor(
      'acks',
      () => {
        if (this.#failure !== undefined) throw this.#failure
        return this.#waiting.size <= waitingMax
      },
      silenceMs,
      1,
    )
  }
}

/** An answer with an error has the sequence 0, or none; one of nobody has no text. */
function offsetOf(ack: string): number | undefined {
  const match = /"seq":\s?(\d+)/.exec(ack)
  const offset = match === null ? 0 : Number(match[1])
  return offset > 0 ? offset : undefined
}
