/** The domain service of the benchmark: publishes stamped payloads over NATS at a chosen pace. */
import { connect, type NatsConnection } from '@nats-io/transport-node'
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
}

export class Publisher {
  readonly #connection: NatsConnection

  private constructor(connection: NatsConnection) {
    this.#connection = connection
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
          this.#connection.publish(pace.subject, stampedPayload(bytes, nowMicros()))
        }
      }
      const nextMs = (ticks / pace.ticksPerSecond) * 1000 - (performance.now() - startedAt)
      await pause(Math.max(1, Math.floor(nextMs)))
    }
    await this.#connection.flush()
    return ticks * pace.perTick
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }
}
