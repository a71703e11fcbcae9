/** The publisher of an audit: numbers everything, waits for acks, and sends no number twice. */
import { connect, headers, type NatsConnection } from '@nats-io/transport-node'
import { numberedPayload } from './numbered-payload.js'
import type { PublicationLog } from './publication-log.js'
import { pause } from './wait.js'

/** Longer than an ack takes; an election takes longer, and what it swallows is not sent again. */
const ackWithinMs = 2_000
/** While there is nobody to acknowledge, a try costs a number. */
const afterFailureMs = 100

export interface Pace {
  readonly channels: readonly string[]
  /** Between the ack of one publication and the next of the same channel. */
  readonly pauseMs: number
}

export class AuditPublisher {
  readonly log: PublicationLog
  /** What it writes into the headers of each publication, whoever they belong to. */
  forged: () => Readonly<Record<string, string>> = () => ({})
  readonly #connection: NatsConnection
  readonly #prefix: string
  #isRunning = false
  #loops: Promise<unknown> = Promise.resolve()

  constructor(connection: NatsConnection, log: PublicationLog, prefix: string) {
    this.#connection = connection
    this.log = log
    this.#prefix = prefix
  }

  /** A plain NATS client: it goes on at whichever of the servers lives. */
  static async connect(
    servers: readonly string[],
    log: PublicationLog,
    prefix = 'rt',
  ): Promise<AuditPublisher> {
    const options = { reconnectTimeWait: 50, maxReconnectAttempts: -1, waitOnFirstConnect: true }
    const connection = await connect({ servers: [...servers], name: 'auditor', ...options })
    return new AuditPublisher(connection, log, prefix)
  }

  /** Whether it was acknowledged. The next of the channel has to wait for this one. */
  async publish(channel: string, isEnd = false): Promise<boolean> {
    const number = this.log.send(channel, isEnd)
    const offset = await this.#store(channel, numberedPayload(channel, number), isEnd)
    if (offset === undefined) return false
    this.log.acknowledge(channel, number, offset)
    return true
  }

  /** Undefined: no ack came, whatever the reason. */
  async #store(channel: string, payload: string, isEnd: boolean): Promise<number | undefined> {
    const given = headers()
    for (const [name, value] of Object.entries(this.forged())) given.set(name, value)
    if (isEnd) given.set('Tidegate-End', '1')
    const options = { timeout: ackWithinMs, headers: given }
    const subject = `${this.#prefix}.pub.${channel}`
    try {
      const message = await this.#connection.request(subject, payload, options)
      // An answer with an error has the sequence 0, or none.
      return message.json<{ readonly seq?: number }>().seq || undefined
    } catch {
      return undefined
    }
  }

  /** Publishes in all channels at once, until `stop`. */
  start({ channels, pauseMs }: Pace): void {
    this.#isRunning = true
    const loop = async (channel: string): Promise<void> => {
      while (this.#isRunning) {
        const isAcknowledged = await this.publish(channel)
        await pause(isAcknowledged ? pauseMs : afterFailureMs)
      }
    }
    this.#loops = Promise.all(channels.map(loop))
  }

  /** Resolves when nothing is on its way any more. */
  async stop(): Promise<void> {
    this.#isRunning = false
    await this.#loops
  }

  async close(): Promise<void> {
    await this.stop()
    await this.#connection.close()
  }
}
