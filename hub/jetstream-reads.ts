/** Reads of one stream that say as of when they are true, whichever replica answers them. */
import type { Channel } from '../shared/channel.js'
import { isChannel } from '../shared/channel.js'
import type { Pattern } from '../shared/pattern.js'
import type { HistoryState, ReadPage, Screened, StoredPublication } from './history.js'
import { leaderMessage, streamInfo } from './jetstream-api.js'
import type { DirectAnswer, DirectGets } from './jetstream-direct.js'
import type { NatsBroker } from './nats-broker.js'

const batchMax = 1_024
/** One answer comes without flow control. */
const answerBytesMax = 1_048_576
/** Replicas that lag, and publications that go while they are looked for: asked again so often. */
const attemptsMax = 4
/** Of one request, when the server does not say. */
const requestBytesMax = 65_536

interface Head {
  readonly asOf: number
  /** The newest offset of what is read, as of then; 0: nothing is kept. */
  readonly newest: number
}

export class StreamReads {
  readonly #broker: NatsBroker
  readonly #gets: DirectGets
  readonly #stream: string
  readonly #prefix: string
  readonly #timeoutMs: number

  constructor(
    broker: NatsBroker,
    gets: DirectGets,
    stream: string,
    prefix: string,
    timeoutMs: number,
  ) {
    this.#broker = broker
    this.#gets = gets
    this.#stream = stream
    this.#prefix = prefix
    this.#timeoutMs = timeoutMs
  }

  async state(): Promise<HistoryState | undefined> {
    const connection = this.#broker.readySession?.connection
    if (connection === undefined) return undefined
    const info = await streamInfo(connection, this.#stream, this.#timeoutMs)
    return info.ok ? info.value.state : undefined
  }

  async screen(channels: readonly Channel[]): Promise<Screened | undefined> {
    const wanted = new Set(channels)
    const newest = new Map<Channel, StoredPublication>()
    let asOf = Infinity
    for (const subjects of this.#requestsOf(channels)) {
      const found = await this.#newestOf(subjects)
      if (found === undefined) return undefined
      asOf = Math.min(asOf, found.asOf)
      for (const publication of found.publications) {
        const { channel } = publication
        if (wanted.has(channel)) newest.set(channel, publication)
      }
    }
    if (channels.length === 0) asOf = 0
    return { asOf, newest }
  }

  async read(
    name: Channel | Pattern,
    from: number,
    countMax: number,
    bytesMax: number,
  ): Promise<ReadPage | undefined> {
    const question = {
      seq: Math.max(from, 1),
      next_by_subj: this.#prefix + name,
      batch: Math.max(1, Math.min(countMax, batchMax)),
      max_bytes: Math.max(1, Math.min(bytesMax, answerBytesMax)),
    }
    let page: ReadPage | undefined
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const head = isChannel(name) ? await this.#headOf(name) : await this.#headByLeader(name)
      if (head === undefined) return undefined
      if (head.newest < from) return { publications: [], isWhole: true, asOf: head.asOf }
      const answer = await this.#gets.get(this.#stream, question)
      page = pageOf(answer, head, from)
      if (page === undefined || !page.isWhole || page.asOf >= head.asOf) return page
    }
    // As far as this replica is.
    return page
  }

  async #headOf(channel: Channel): Promise<Head | undefined> {
    const screened = await this.screen([channel])
    if (screened === undefined) return undefined
    return { asOf: screened.asOf, newest: screened.newest.get(channel)?.offset ?? 0 }
  }

  /** First how far the history is, then what is the newest: nothing can have come between. */
  async #headByLeader(name: string): Promise<Head | undefined> {
    const connection = this.#broker.readySession?.connection
    const state = await this.state()
    if (connection === undefined || state === undefined) return undefined
    const which = { last_by_subj: this.#prefix + name }
    const found = await leaderMessage(connection, this.#stream, which, this.#timeoutMs)
    if (!found.ok) return undefined
    return { asOf: state.last, newest: found.value?.sequence ?? 0 }
  }

  async #newestOf(subjects: readonly string[]): Promise<Found | undefined> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const answer = await this.#gets.get(this.#stream, multiLast(subjects))
      const found = answer?.type === 'none' ? await this.#noneOf(subjects) : answer
      if (found === undefined) return undefined
      if (found.type === 'again') continue
      if (found.type !== 'page') return undefined
      const whole = await this.#restOf(subjects, found)
      if (whole !== 'again') return whole
    }
    return undefined
  }

  /**
   * None of them has a publication, but the answer does not say as of when. Asked once more with a
   * subject that has one, it does; and if there is none at all, the leader says how far it is.
   */
  async #noneOf(
    subjects: readonly string[],
  ): Promise<DirectAnswer | { type: 'again' } | undefined> {
    const connection = this.#broker.readySession?.connection
    if (connection === undefined) return undefined
    const state = await this.state()
    if (state === undefined) return undefined
    if (state.first > state.last) {
      return { type: 'page', publications: [], last: 0, pending: 0, upTo: state.last }
    }
    const which = { last_by_subj: '>' }
    const witness = await leaderMessage(connection, this.#stream, which, this.#timeoutMs)
    if (!witness.ok) return undefined
    if (witness.value === undefined) return { type: 'again' }
    const answer = await this.#gets.get(
      this.#stream,
      multiLast([...subjects, witness.value.subject]),
    )
    return answer?.type === 'none' ? { type: 'again' } : answer
  }

  /** What did not fit into the first answer; another replica may give it, and lack some of it. */
  async #restOf(subjects: readonly string[], first: Page): Promise<Found | 'again' | undefined> {
    const { upTo } = first
    if (upTo === undefined) return undefined
    const publications = [...first.publications]
    let page: Page = first
    while (page.pending > 0) {
      const question = { ...multiLast(subjects), seq: page.last + 1, up_to_seq: upTo }
      const answer = await this.#gets.get(this.#stream, question)
      if (answer === undefined) return undefined
      if (answer.type !== 'page') return 'again'
      if (answer.publications.length + answer.pending !== page.pending) return 'again'
      publications.push(...answer.publications)
      page = answer
    }
    return { asOf: upTo, publications }
  }

  /** As few as the server's limit of one message allows. */
  #requestsOf(channels: readonly Channel[]): readonly (readonly string[])[] {
    const { max_payload: allowed } = this.#broker.readySession?.connection.info ?? {}
    const bytesMax = (allowed ?? requestBytesMax) - 1_024
    const requests: string[][] = []
    let bytes = Infinity
    for (const channel of channels) {
      const subject = this.#prefix + channel
      bytes += subject.length + 3
      if (bytes > bytesMax) {
        requests.push([])
        bytes = subject.length + 3
      }
      requests.at(-1)?.push(subject)
    }
    return requests
  }
}

type Page = Extract<DirectAnswer, { type: 'page' }>

interface Found {
  readonly asOf: number
  readonly publications: readonly StoredPublication[]
}

function multiLast(subjects: readonly string[]): Readonly<Record<string, unknown>> {
  return { multi_last: subjects, batch: batchMax, max_bytes: answerBytesMax }
}

function pageOf(answer: DirectAnswer | undefined, head: Head, from: number): ReadPage | undefined {
  if (answer === undefined || answer.type === 'too_many') return undefined
  if (answer.type === 'none') return { publications: [], isWhole: true, asOf: from - 1 }
  const { publications, last, pending } = answer
  if (pending > 0) return { publications, isWhole: false, asOf: last }
  // It has everything up to the newest one that was found before: so much more cannot be there.
  const asOf = last >= head.newest ? Math.max(last, head.asOf) : last
  return { publications, isWhole: true, asOf }
}
