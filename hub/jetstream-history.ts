/** The history over JetStream: reads on a connection of their own, publishes with an ack. */
import { namespaceOf, type Channel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { Clock } from './clock.js'
import { ErrorReports } from './error-reports.js'
import type {
  History,
  HistoryEvent,
  HistoryPublishResult,
  HistoryState,
  ReadPage,
  Scan,
  Screened,
  StoredPublication,
} from './history.js'
import { publishPrefix, type HistoryLayout } from './history-layout.js'
import { DirectGets } from './jetstream-direct.js'
import { JetStreamPublisher } from './jetstream-publisher.js'
import { StreamReads } from './jetstream-reads.js'
import { JetStreamScan } from './jetstream-scan.js'
import { wantedStreams } from './jetstream-stream.js'
import { StreamWatch } from './jetstream-watch.js'
import type { NatsBroker } from './nats-broker.js'

export interface JetStreamTimeouts {
  /** A read, or a question to the API. */
  readonly requestMs: number
  /** A publish, from sending to its ack. */
  readonly publishMs: number
}

export const defaultJetStreamTimeouts: JetStreamTimeouts = { requestMs: 5_000, publishMs: 5_000 }

export interface JetStreamHistoryOptions {
  /**
   * Publishes go by the connection that live publications come by: an ack does not wait behind the
   * megabytes that a recovery reads. Not started, and not closed here.
   */
  readonly publisher: NatsBroker
  /** Not started yet; nobody else's. */
  readonly reader: NatsBroker
  readonly layout: HistoryLayout
  readonly clock: Clock
  readonly random: () => number
  readonly timeouts?: JetStreamTimeouts
}

interface Stream {
  readonly name: string
  readonly reads: StreamReads
  readonly watch: StreamWatch
}

const unavailable: HistoryPublishResult = { ok: false, code: 'broker_unavailable' }
const endedScan: Scan = { position: 0, ended: Promise.resolve(undefined), stop() {} }

export class JetStreamHistory implements History {
  readonly #reader: NatsBroker
  readonly #clock: Clock
  readonly #prefix: string
  readonly #timeouts: JetStreamTimeouts
  readonly #streams = new Map<string, Stream>()
  readonly #gets: DirectGets
  readonly #publisher: JetStreamPublisher
  readonly #errors: ErrorReports
  #listener: (event: HistoryEvent) => void = () => {}

  constructor(options: JetStreamHistoryOptions) {
    const { reader, clock, random, layout } = options
    const timeouts = options.timeouts ?? defaultJetStreamTimeouts
    this.#reader = reader
    this.#clock = clock
    this.#timeouts = timeouts
    this.#prefix = publishPrefix(layout.subjectPrefix)
    this.#errors = new ErrorReports(
      (event) => event.type === 'error' && this.#listener(event),
      () => clock.now(),
    )
    this.#gets = new DirectGets(reader, clock, this.#prefix, timeouts.requestMs)
    this.#publisher = new JetStreamPublisher(options.publisher, timeouts.publishMs, (reason) =>
      this.#errors.report(reason),
    )
    const timeoutMs = timeouts.requestMs
    const emit = (event: HistoryEvent): void => this.#listener(event)
    for (const [namespace, wanted] of wantedStreams(layout)) {
      const { name } = wanted
      this.#streams.set(namespace, {
        name,
        reads: new StreamReads(reader, this.#gets, name, this.#prefix, timeoutMs),
        watch: new StreamWatch(namespace, wanted, {
          broker: reader,
          clock,
          random,
          timeoutMs,
          emit,
        }),
      })
    }
  }

  onEvent(listener: (event: HistoryEvent) => void): void {
    this.#listener = listener
  }

  async start(): Promise<void> {
    for (const { name, watch } of this.#streams.values()) {
      this.#reader.subscribe(`$JS.EVENT.ADVISORY.STREAM.*.${name}`, () => watch.changed())
    }
    this.#reader.onEvent((event) => {
      switch (event.type) {
        case 'connected':
          for (const { watch } of this.#streams.values()) void watch.look()
          return
        case 'disconnected':
          this.#gets.failAll()
          for (const { watch } of this.#streams.values()) watch.disconnected()
          return
        case 'connect_failed':
        case 'error':
          this.#errors.report(`reads: ${event.reason}`)
      }
    })
    await this.#reader.start()
  }

  async close(): Promise<void> {
    for (const { watch } of this.#streams.values()) watch.close()
    this.#gets.close()
    await this.#reader.close()
  }

  state(namespace: string): Promise<HistoryState | undefined> {
    return this.#asked(namespace, (reads) => reads.state())
  }

  screen(namespace: string, channels: readonly Channel[]): Promise<Screened | undefined> {
    return this.#asked(namespace, (reads) => reads.screen(channels))
  }

  read(
    namespace: string,
    name: Channel | Pattern,
    from: number,
    countMax: number,
    bytesMax: number,
  ): Promise<ReadPage | undefined> {
    return this.#asked(namespace, (reads) => reads.read(name, from, countMax, bytesMax))
  }

  scan(namespace: string, from: number, take: (publication: StoredPublication) => void): Scan {
    const stream = this.#streams.get(namespace)
    if (stream?.watch.isAvailable !== true) return endedScan
    const source = {
      broker: this.#reader,
      clock: this.#clock,
      stream: stream.name,
      prefix: this.#prefix,
      timeoutMs: this.#timeouts.requestMs,
    }
    const scan = new JetStreamScan(source, from, take)
    void scan.ended.then((end) => end === undefined && stream.watch.lookSoon())
    return scan
  }

  async publish(
    channel: Channel,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<HistoryPublishResult> {
    const stream = this.#streams.get(namespaceOf(channel))
    // What is stored in an unfit stream may be heard by nobody.
    if (stream === undefined || stream.watch.isUnfit) return unavailable
    const subject = this.#prefix + channel
    const result = await this.#publisher.publish(stream.name, subject, payload, headers)
    if (!result.ok) stream.watch.lookSoon()
    return result
  }

  /** A read that fails may be the first to notice that the stream is not what it was. */
  async #asked<T>(
    namespace: string,
    ask: (reads: StreamReads) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    const stream = this.#streams.get(namespace)
    if (stream?.watch.isAvailable !== true) return undefined
    const answer = await ask(stream.reads)
    if (answer === undefined) stream.watch.lookSoon()
    return answer
  }
}
