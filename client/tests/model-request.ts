/** An HTTP request to a model node: an event stream, short or not, or a poll (PROTOCOL 6, 7). */
import { isChannel } from '../../shared/channel.js'
import { ModelBody } from './model-body.js'
import {
  atExpiry,
  expiryOf,
  Feed,
  heartbeatSeconds,
  isExpired,
  type ModelNode,
  type NodeConnection,
  type Shown,
} from './model-node.js'
import { durableNamespace, type ModelPlace, type Said } from './model-reading.js'

interface Body extends Shown {
  readonly channels: readonly string[]
  readonly last?: number
  readonly wait?: number
}

/** Who waits for it. */
export interface RequestClient {
  answer(response: Response): void
  /** The connection broke before there was an answer. */
  lose(): void
  /** Nothing is open any more. */
  over(): void
}

const answerMax = 3
const pollWaitSecondsDefault = 25

export class ModelRequest implements NodeConnection {
  readonly #node: ModelNode
  readonly #client: RequestClient
  readonly #body: Body
  readonly #isStream: boolean
  readonly #expiresAt: number | undefined
  readonly #names: readonly string[]
  #feeds: Feed[] = []
  #shown: Readonly<Record<string, ModelPlace>> = {}
  #stream: ModelBody | undefined
  #isOver = false
  readonly #timers: (() => void)[] = []

  constructor(node: ModelNode, init: RequestInit, client: RequestClient) {
    const headers = new Headers(init.headers)
    this.#node = node
    this.#client = client
    this.#body = JSON.parse(String(init.body)) as Body
    this.#isStream = headers.get('accept') === 'text/event-stream'
    this.#expiresAt = expiryOf(headers.get('authorization') ?? '')
    this.#names = [...new Set([...this.#body.channels, ...node.cluster.claims])]
  }

  start(): void {
    const node = this.#node
    const { clock, chance } = node.cluster
    const [names, expiresAt] = [this.#names, this.#expiresAt]
    if (expiresAt === undefined) return this.#refuse(401, 'token_invalid')
    if (isExpired(expiresAt, clock)) return this.#refuse(401, 'token_expired')
    if (node.state === 'draining') return this.#refuse(503, 'draining')
    if (node.isBlind) return this.#refuse(503, 'broker_unavailable')
    if (chance.has('refusal')) return this.#refuse(503, 'overloaded')
    const places = node.places(names, this.#body)
    if (places === undefined) return this.#refuse(400, 'bad_request')
    this.#shown = places
    const { last } = this.#body
    this.#feeds = names.map(
      (name) => new Feed(name, node.source(name), places[name] ?? node.begin(name, last)),
    )
    if (names.every((name) => node.hasEnded(name, places[name]))) return this.#answerNothing()
    node.connections.add(this)
    if (this.#isStream) this.#startStream(expiresAt)
    else this.#startPoll(expiresAt)
  }

  has(name: string): boolean {
    return this.#names.includes(name)
  }

  pull(): void {
    if (!this.#isStream) return this.#answerPoll(false)
    const said = this.#feeds.flatMap((feed) => this.#pullOf(feed))
    this.#tell(said)
    if (said.length > 0) this.#endShort()
  }

  die(): void {
    if (this.#isOver) return
    if (this.#stream === undefined) this.#client.lose()
    else this.#stream.abort(new TypeError('terminated'))
    this.#leave()
  }

  /** The client does not want it any more. */
  giveUp(reason: unknown): void {
    this.#stream?.abort(reason)
    this.#leave()
  }

  leave(): void {
    if (!this.#isStream) return this.#answerPoll(true)
    this.#endShort()
    this.#tellProblem('draining')
  }

  /** Its cursors would be beyond what was lost. */
  leak(): void {}

  reconnect(afterMs: number): void {
    const isShort = this.#body.wait !== undefined
    if (this.#isStream && !isShort) this.#event('reconnect', { afterMs })
    else if (this.#node.state === 'draining') this.leave()
  }

  #leave(): void {
    this.#isOver = true
    for (const cancel of this.#timers) cancel()
    this.#node.connections.delete(this)
  }

  #respond(text: string | null, init: ResponseInit): void {
    if (this.#isOver) return
    this.#leave()
    const { cluster } = this.#node
    if (text === null) {
      this.#client.over()
      return this.#client.answer(new Response(null, init))
    }
    const body = new ModelBody(cluster, () => this.#client.over())
    this.#stream = body
    const half = Math.floor(text.length / 2)
    body.write(text.slice(0, half))
    body.write(text.slice(half))
    body.end()
    this.#client.answer(new Response(body.stream, init))
  }

  #answerNothing(): void {
    this.#respond(null, { status: 204 })
  }

  #refuse(status: number, code: string): void {
    if (this.#isStream && status === 503) return this.#openStream(() => this.#tellProblem(code))
    const headers = status === 503 ? { 'retry-after': String(1 + this.#upTo(2)) } : {}
    this.#respond(JSON.stringify({ status, code, detail: code }), { status, headers })
  }

  #upTo(max: number): number {
    return this.#node.cluster.chance.upTo(max)
  }

  // Polls

  #startPoll(expiresAt: number): void {
    const { clock } = this.#node.cluster
    const { wait = pollWaitSecondsDefault } = this.#body
    if (wait === 0) return this.#answerPoll(true)
    this.#timers.push(clock.after(wait * 1000, () => this.#answerPoll(true)))
    this.#timers.push(atExpiry(expiresAt, clock, () => this.#answerPoll(true)))
    this.#answerPoll(false)
  }

  /** @param isDue even if there is nothing to say */
  #answerPoll(isDue: boolean): void {
    if (this.#isOver) return
    const recovered: Record<string, boolean> = {}
    const frames: Said['frame'][] = []
    const feeds: Feed[] = []
    for (const { name, source, at: from } of this.#feeds) {
      const place = this.#shown[name]
      const reading = source.read(name, from, Infinity)
      const { said, at } = place === undefined ? begun(reading) : bounded(reading)
      if (place !== undefined) recovered[name] = reading.isRecovered
      frames.push(...said.map(({ frame }) => frame))
      feeds.push(new Feed(name, source, at))
    }
    if (!isDue && frames.length === 0) return
    const ended = feeds.filter(({ name, at }) => this.#node.hasEnded(name, at))
    const answer = {
      cursor: this.#node.cursor(feeds),
      publications: framesOf(frames, 'publication'),
      gaps: framesOf(frames, 'gap'),
      ended: ended.map(({ name }) => name),
      recovered,
      expiresAt: this.#expiresAt,
    }
    this.#respond(JSON.stringify(answer), { status: 200 })
  }

  // Event streams

  #openStream(then: () => void): void {
    const stream = new ModelBody(this.#node.cluster, () => {
      this.#leave()
      this.#client.over()
    })
    this.#stream = stream
    this.#client.answer(new Response(stream.stream))
    stream.write(`retry: ${1_000 + this.#upTo(2_000)}\n`)
    then()
  }

  #startStream(expiresAt: number): void {
    const node = this.#node
    const { clock, chance } = node.cluster
    this.#openStream(() => {
      const begin = this.#feeds.map((feed) => {
        const { name, source, at: from } = feed
        const isNew = this.#shown[name] === undefined
        const reading = source.read(name, from, Infinity)
        feed.at = reading.at
        return { feed, from, said: isNew ? begun(reading).said : reading.said, at: reading.at }
      })
      for (const { feed, from } of begin) feed.at = from
      const hasGap = begin.some(({ said }) => said[0]?.frame.type === 'gap')
      const welcome = { connection: 'c', node: node.id, expiresAt, heartbeatSeconds }
      const id = hasGap ? undefined : node.cursor(this.#feeds)
      this.#event('welcome', { ...welcome, subscriptions: this.#names }, id)
      let hasSaid = false
      for (const { feed, said, at } of begin) {
        hasSaid ||= said.length > 0
        const isLate = node.hasEnded(feed.name, at) && said.at(-1)?.frame.type !== 'ended'
        this.#tell(said.map((each) => ({ ...each, feed })))
        feed.at = at
        if (isLate && isChannel(feed.name)) {
          this.#tell([{ frame: { type: 'ended', channel: feed.name }, at, feed }])
        }
      }
      this.#endIfAllHave()
      const { wait } = this.#body
      if (hasSaid || wait === 0) this.#endShort()
      else if (wait !== undefined) {
        this.#timers.push(clock.after(wait * 1000, () => this.#endShort()))
      }
    })
    if (this.#isOver) return
    this.#timers.push(atExpiry(expiresAt, clock, () => this.#tellProblem('token_expired')))
    this.#beatIn(chance.random() * heartbeatSeconds * 1000)
  }

  #pullOf(feed: Feed): (Said & { readonly feed: Feed })[] {
    const before = feed.at
    const said = feed.pull().map((each) => ({ ...each, feed }))
    if (said.length > 0) feed.at = before
    return said
  }

  #tell(said: readonly (Said & { readonly feed: Feed })[]): void {
    const { chance } = this.#node.cluster
    for (const { frame, at, feed } of said) {
      if (this.#isOver) return
      const isSame = at === feed.at
      feed.at = at
      const { type, ...data } = frame
      const id = isSame ? undefined : this.#node.cursor(this.#feeds)
      this.#event(type === 'publication' ? '' : type, data, id)
      const isTwice = type === 'publication' && durableNamespace(feed.name)
      if (isTwice && chance.has('twice')) this.#event('', data, id)
    }
    if (said.length > 0) this.#endIfAllHave()
  }

  #endIfAllHave(): void {
    if (!this.#feeds.every(({ name, at }) => this.#node.hasEnded(name, at))) return
    this.#stream?.end()
    this.#leave()
  }

  /** One that is short has said something, or waited long enough (6.10). */
  #endShort(): void {
    if (this.#isOver || this.#body.wait === undefined) return
    this.#stream?.write(`id: ${this.#node.cursor(this.#feeds)}\n\n`)
    this.#stream?.end()
    this.#leave()
  }

  #tellProblem(code: string): void {
    if (this.#isOver) return
    this.#event('problem', { status: 503, code, detail: code })
    this.#stream?.end()
    this.#leave()
  }

  #event(name: string, data: object, id?: string): void {
    const lines = [
      ...(name === '' ? [] : [`event: ${name}`]),
      ...(id === undefined ? [] : [`id: ${id}`]),
      `data: ${JSON.stringify(data)}`,
    ]
    if (!this.#isOver) this.#stream?.write(`${lines.join('\n')}\n\n`)
  }

  #beatIn(delayMs: number): void {
    const { clock } = this.#node.cluster
    this.#timers.push(
      clock.after(delayMs, () => {
        if (!this.#isOver) this.#stream?.write(`id: ${this.#node.cursor(this.#feeds)}\n\n`)
        this.#beatIn(heartbeatSeconds * 1000)
      }),
    )
  }
}

/** Who shows no place is owed nothing before. */
function begun<R extends { readonly said: readonly Said[] }>(reading: R): R {
  return { ...reading, said: reading.said.filter(({ frame }) => frame.type !== 'gap') }
}

/** What is beyond comes with the next poll; not if a gap or the end stands behind it. */
function bounded(reading: { readonly said: readonly Said[]; readonly at: ModelPlace }): {
  readonly said: readonly Said[]
  readonly at: ModelPlace
} {
  const said = reading.said.slice(0, answerMax)
  const rest = reading.said.slice(answerMax)
  const last = said.at(-1)
  if (last === undefined || rest.length === 0) return reading
  return rest.every(({ frame }) => frame.type === 'publication') ? { said, at: last.at } : reading
}

function framesOf(frames: readonly Said['frame'][], wanted: string): object[] {
  return frames.filter(({ type }) => type === wanted).map(({ type: _type, ...frame }) => frame)
}
