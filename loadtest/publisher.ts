/** The domain service of the benchmark: publishes stamped payloads over NATS at a chosen pace. */
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Acks } from './acks.js'
import { nowMicros, stampedPayload } from './stamp.js'
import { pause } from './wait.js'

/** Size of a publication's frame on the socket, the same for both servers. */
export const frameBytes = 200

export interface Pace {
  readonly subject: string
  /** What the server puts around a payload, in bytes. */
  readonly envelopeBytes: number
  /** Messages that leave at once, so that the server reads them in one tick. */
  readonly perTick: number
  readonly ticksPerSecond: number
  readonly ticks: number
  /** Into a stream: each is acknowledged, and the acks are waited for at the end. */
  readonly isStored?: boolean
}

export class Publisher {
  readonly #connection: NatsConnection
  readonly #acks: Acks

  private constructor(connection: NatsConnection) {
    this.#connection = connection
    this.#acks = new Acks(connection)
  }

  static async connect(url: string): Promise<Publisher> {
    return new Publisher(await connect({ servers: url, name: 'bench-publisher' }))
  }

  /** Publishes `ticks * perTick` messages; a tick that is late is made up for at once. */
  async publish(pace: Pace): Promise<number> {
    const bytes = frameBytes - pace.envelopeBytes
    const startedAt = performance.now()
    let ticks = 0
    while (ticks < pace.ticks) {
      const due = 1 + Math.floor(((performance.now() - startedAt) / 1000) * pace.ticksPerSecond)
      for (; ticks < Math.min(due, pace.ticks); ticks += 1) {
        for (let i = 0; i < pace.perTick; i += 1) {
          const options = pace.isStored === true ? { reply: this.#acks.expect() } : {}
          this.#connection.publish(pace.subject, stampedPayload(bytes, nowMicros()), options)
        }
      }
      const nextMs = (ticks / pace.ticksPerSecond) * 1000 - (performance.now() - startedAt)
      await pause(Math.max(1, Math.floor(nextMs)))
    }
    await this.#connection.flush()
    await this.#acks.atMost(0)
    return ticks * pace.perTick
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }
}
