/** A history inside the process: what JetStream is to NATS, for the broker in memory. */
import { isChannel, namespaceOf, type Channel } from '../shared/channel.js'
import { covers, type Pattern } from '../shared/pattern.js'
import type { Broker, BrokerMessage } from './broker.js'
import type { Clock } from './clock.js'
import type {
  History,
  HistoryEvent,
  HistoryPublishResult,
  HistoryState,
  ReadPage,
  Scan,
  ScanEnd,
  Screened,
  StoredPublication,
} from './history.js'
import {
  channelOf,
  livePrefix,
  messageBytesMax,
  publishPrefix,
  type HistoryLayout,
} from './history-layout.js'
import { MemoryStream, type Stored } from './memory-stream.js'
import { stampOfTime } from './time-stamp.js'

/** What is old goes by the next use, and at the latest by this. */
const sweepMs = 10_000

/** Where NATS has a reply subject: tells a publication's own publisher which offset it got. */
const replyHeader = 'Tidegate-Reply'
/** A broker does not tell which headers there are: those that mean something are carried on. */
const carriedHeaders = ['Tidegate-Sender', 'Content-Type', 'Tidegate-End', 'Nats-Msg-Id']

const unavailable: HistoryPublishResult = { ok: false, code: 'broker_unavailable' }

export interface MemoryHistoryOptions {
  readonly broker: Broker
  readonly layout: HistoryLayout
  readonly clock: Clock
}

export class MemoryHistory implements History {
  readonly #broker: Broker
  readonly #clock: Clock
  readonly #publishPrefix: string
  readonly #livePrefix: string
  readonly #bytesMax: number
  readonly #streams = new Map<string, MemoryStream>()
  /** Publishes whose message the broker has not delivered yet, by what the reply header says. */
  readonly #replies = new Map<string, (result: HistoryPublishResult) => void>()
  #replyCount = 0
  #isOpen = false
  #cancelSweep: () => void = () => {}
  #listener: (event: HistoryEvent) => void = () => {}

  constructor({ broker, layout, clock }: MemoryHistoryOptions) {
    this.#broker = broker
    this.#clock = clock
    this.#publishPrefix = publishPrefix(layout.subjectPrefix)
    this.#livePrefix = livePrefix(layout.subjectPrefix)
    this.#bytesMax = messageBytesMax(layout.publicationBytesMax)
    for (const [namespace, { history }] of layout.namespaces) {
      if (history === undefined) continue
      this.#streams.set(namespace, new MemoryStream(history, () => clock.now()))
    }
  }

  /** Undefined: no history can be had now. Tests end one by answering so. */
  protected streamOf(namespace: string): MemoryStream | undefined {
    return this.#isOpen ? this.#streams.get(namespace) : undefined
  }

  protected get namespaces(): Iterable<string> {
    return this.#streams.keys()
  }

  protected emit(event: HistoryEvent): void {
    this.#listener(event)
  }

  onEvent(listener: (event: HistoryEvent) => void): void {
    this.#listener = listener
  }

  async start(): Promise<void> {
    this.#isOpen = true
    this.#broker.subscribe(`${this.#publishPrefix}>`, (message) => this.#receive(message))
    this.#sweepLater()
    for (const namespace of this.#streams.keys()) this.emit({ type: 'available', namespace })
  }

  async close(): Promise<void> {
    this.#isOpen = false
    this.#cancelSweep()
    for (const settle of this.#replies.values()) settle(unavailable)
    this.#replies.clear()
  }

  async state(namespace: string): Promise<HistoryState | undefined> {
    return this.streamOf(namespace)?.state()
  }

  async screen(namespace: string, channels: readonly Channel[]): Promise<Screened | undefined> {
    const stream = this.streamOf(namespace)
    if (stream === undefined) return undefined
    const newest = new Map<Channel, StoredPublication>()
    for (const channel of channels) {
      const publication = stream.newestOf(channel)
      if (publication !== undefined) newest.set(channel, publication)
    }
    return { asOf: stream.state().last, newest }
  }

  async read(
    namespace: string,
    name: Channel | Pattern,
    from: number,
    countMax: number,
    bytesMax: number,
  ): Promise<ReadPage | undefined> {
    const stream = this.streamOf(namespace)
    if (stream === undefined) return undefined
    const publications: StoredPublication[] = []
    let bytes = 0
    const all = isChannel(name) ? stream.channelFrom(name, from) : stream.allFrom(from)
    for (const publication of all) {
      if (!covers(name, publication.channel)) continue
      if (publications.length > 0 && (publications.length >= countMax || bytes >= bytesMax)) {
        return { publications, isWhole: false, asOf: publications.at(-1)?.offset ?? 0 }
      }
      publications.push(publication)
      bytes += publication.payload.length
    }
    return { publications, isWhole: true, asOf: stream.state().last }
  }

  scan(namespace: string, from: number, take: (publication: StoredPublication) => void): Scan {
    return new MemoryScan(this.streamOf(namespace), from, take)
  }

  async publish(
    channel: Channel,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<HistoryPublishResult> {
    if (this.streamOf(namespaceOf(channel)) === undefined) return unavailable
    this.#replyCount += 1
    const reply = String(this.#replyCount)
    const replied = new Promise<HistoryPublishResult>((resolve) => {
      this.#replies.set(reply, resolve)
    })
    const subject = this.#publishPrefix + channel
    const taken = await this.#broker.publish(subject, payload, { ...headers, [replyHeader]: reply })
    if (!taken.ok) this.#reply(reply, unavailable)
    return replied
  }

  #receive(message: BrokerMessage): void {
    this.#reply(message.header(replyHeader), this.#stored(message))
  }

  #stored(message: BrokerMessage): HistoryPublishResult {
    const channel = channelOf(message.subject, this.#publishPrefix)
    const stream = channel === undefined ? undefined : this.streamOf(namespaceOf(channel))
    if (channel === undefined || stream === undefined) return unavailable
    const contentType = message.header('Content-Type')
    const sender = message.header('Tidegate-Sender')
    const bytes = message.payload.length + (contentType?.length ?? 0) + (sender?.length ?? 0)
    if (bytes > this.#bytesMax) return unavailable
    const messageId = message.header('Nats-Msg-Id')
    const original = messageId === undefined ? undefined : stream.duplicateOf(messageId)
    if (original !== undefined) return { ok: true, offset: original }
    const isEnd = message.header('Tidegate-End') === '1'
    const payload = new Uint8Array(message.payload)
    const arrived = { channel, sender, contentType, isEnd, payload }
    const stored = stream.store(arrived, messageId)
    this.#republish(message, stored)
    return { ok: true, offset: stored.publication.offset }
  }

  /** The broker holds it back until everybody has had the message that it is made of. */
  #republish(message: BrokerMessage, { publication, previous }: Stored): void {
    const headers: Record<string, string> = {}
    for (const name of carriedHeaders) {
      const value = message.header(name)
      if (value !== undefined) headers[name] = value
    }
    headers['Nats-Sequence'] = String(publication.offset)
    headers['Nats-Time-Stamp'] = stampOfTime(publication.time)
    headers['Nats-Last-Sequence'] = String(previous)
    const subject = this.#livePrefix + publication.channel
    void this.#broker.publish(subject, publication.payload, headers)
  }

  #reply(reply: string | undefined, result: HistoryPublishResult): void {
    if (reply === undefined) return
    this.#replies.get(reply)?.(result)
    this.#replies.delete(reply)
  }

  #sweepLater(): void {
    this.#cancelSweep = this.#clock.after(sweepMs, () => {
      for (const stream of this.#streams.values()) stream.expire()
      this.#sweepLater()
    })
  }
}

class MemoryScan implements Scan {
  readonly ended: Promise<ScanEnd | undefined>
  position: number
  #isStopped = false

  constructor(
    stream: MemoryStream | undefined,
    from: number,
    take: (publication: StoredPublication) => void,
  ) {
    this.position = Math.max(from, 1) - 1
    // After the caller has got it.
    this.ended = Promise.resolve().then(() => this.#run(stream, take))
  }

  stop(): void {
    this.#isStopped = true
  }

  #run(
    stream: MemoryStream | undefined,
    take: (publication: StoredPublication) => void,
  ): ScanEnd | undefined {
    if (stream === undefined) return undefined
    for (const publication of stream.allFrom(this.position + 1)) {
      if (this.#isStopped) return undefined
      this.position = publication.offset
      take(publication)
    }
    return this.#isStopped ? undefined : { asOf: stream.state().last }
  }
}
