/** Channels filled with a history, round by round, as a domain service that waits for acks does. */
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { Acks } from './acks.js'
import { DirectGets } from './direct-gets.js'
import { nowMicros, stampedPayload } from './stamp.js'

/** Unacknowledged at a time: JetStream drops what is beyond 10,000. */
const inFlightMax = 4_000
const payloadBytes = 200
/** Subjects that one `multi_last` may ask for. */
const askedMax = 1_000

export interface FilledStream {
  readonly stream: string
  readonly namespace: string
  readonly channels: number
}

/** Where one channel's subscriber was, and what it has missed since. */
export interface ChannelStart {
  readonly channel: string
  readonly offset: number
  readonly time: number
  /** How far the whole stream was: by then it had everything. */
  readonly verified: number
  readonly missed: readonly number[]
}

export class StoredChannels {
  readonly names: readonly string[]
  readonly #connection: NatsConnection
  readonly #stream: string
  readonly #acks: Acks
  readonly #gets: DirectGets
  /** By round, then by channel. */
  readonly #offsets: Float64Array[] = []

  private constructor(connection: NatsConnection, stream: string, names: readonly string[]) {
    this.#connection = connection
    this.#stream = stream
    this.names = names
    this.#acks = new Acks(connection)
    this.#gets = new DirectGets(connection)
  }

  static async open(
    url: string,
    { stream, namespace, channels }: FilledStream,
  ): Promise<StoredChannels> {
    const names = Array.from({ length: channels }, (_, i) => `${namespace}.${i % 10}.${i}`)
    const connection = await connect({ servers: url, name: 'bench-filler' })
    return new StoredChannels(connection, stream, names)
  }

  get rounds(): number {
    return this.#offsets.length
  }

  /** The offset of the newest publication. */
  get #last(): number {
    let last = 0
    for (const offset of this.#offsets.at(-1) ?? []) last = Math.max(last, offset)
    return last
  }

  /** One publication to each channel, or to the first so many, so many times. */
  async fill(rounds: number, count: number = this.names.length): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      const offsets = new Float64Array(count)
      for (const [at, name] of this.names.slice(0, count).entries()) {
        if (this.#acks.waiting >= inFlightMax) await this.#acks.atMost(inFlightMax / 2)
        const reply = this.#acks.expect((offset) => (offsets[at] = offset))
        const payload = stampedPayload(payloadBytes, nowMicros())
        this.#connection.publish(`rt.pub.${name}`, payload, { reply })
      }
      await this.#acks.atMost(0)
      this.#offsets.push(offsets)
    }
  }

  /** As of now: subscribers of the first so many channels who have everything. */
  async starts(count: number): Promise<ChannelStart[]> {
    const starts: ChannelStart[] = []
    const verified = this.#last
    for (let at = 0; at < count; at += askedMax) {
      const names = this.names.slice(at, Math.min(count, at + askedMax))
      const question = { multi_last: names.map((name) => `rt.pub.${name}`), batch: askedMax }
      const { messages } = await this.#gets.get(this.#stream, question)
      const found = new Map(messages.map((m) => [m.headers?.last('Nats-Subject'), m]))
      for (const channel of names) {
        const headers = found.get(`rt.pub.${channel}`)?.headers
        const offset = Number(headers?.last('Nats-Sequence'))
        const time = Date.parse(headers?.last('Nats-Time-Stamp') ?? '')
        if (!(offset > 0 && time > 0)) throw new Error(`${channel} was not stored`)
        starts.push({ channel, offset, time, verified, missed: [] })
      }
    }
    return starts
  }

  /** The same subscribers, with what has been stored in the rounds since. */
  missed(starts: readonly ChannelStart[], sinceRound: number): ChannelStart[] {
    const rounds = this.#offsets.slice(sinceRound)
    return starts.map((start, at) => ({
      ...start,
      missed: rounds.map((offsets) => offsets[at] as number),
    }))
  }

  async close(): Promise<void> {
    await this.#connection.close()
  }
}
