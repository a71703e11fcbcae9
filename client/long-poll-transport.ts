/** Polling: one request after another, each with the cursor of the last answer (PROTOCOL 7). */
import type { Clock } from './clock.js'
import { eventsUrl } from './events-url.js'
import { readRefusal } from './refusal.js'
import { requestInit } from './request-init.js'
import { SingleConnection } from './single-connection.js'
import { systemClock } from './system-clock.js'
import type {
  Connection,
  ConnectionEvent,
  ConnectionRequest,
  GapEvent,
  Publication,
  Transport,
} from './transport.js'

export interface PollPace {
  /** How long the gateway holds a request while nothing happens; 0 makes it short polling. */
  readonly waitSeconds: number
  /** The pause between an answer and the next request. */
  readonly intervalMs: number
}

export const longPollPace: PollPace = { waitSeconds: 25, intervalMs: 0 }
export const shortPollPace: PollPace = { waitSeconds: 0, intervalMs: 1000 }

/** An answer that is later than its `wait` by this is not coming any more. */
const answerGraceMs = 15_000

interface PollAnswer {
  readonly cursor: string
  readonly publications: readonly Publication[]
  readonly gaps?: readonly Omit<GapEvent, 'type'>[]
  /** Channels that have ended, whether told before or not. */
  readonly ended?: readonly string[]
  /** By channel that the cursor covers. */
  readonly recovered?: Readonly<Record<string, boolean>>
}

export class LongPollTransport implements Transport {
  readonly name: 'long-poll' | 'short-poll'
  readonly #pace: PollPace
  readonly #clock: Clock

  constructor(pace: PollPace = longPollPace, clock: Clock = systemClock) {
    this.name = pace.waitSeconds === 0 ? 'short-poll' : 'long-poll'
    this.#pace = pace
    this.#clock = clock
  }

  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    const connection = new LongPollConnection(request, onEvent, this.#pace, this.#clock)
    void connection.start()
    return connection
  }
}

class LongPollConnection extends SingleConnection {
  cursor: string | undefined
  readonly #pace: PollPace
  readonly #clock: Clock
  readonly #abort = new AbortController()
  #cancelPause: () => void = () => undefined
  #isWelcome = false

  constructor(
    request: ConnectionRequest,
    onEvent: (event: ConnectionEvent) => void,
    pace: PollPace,
    clock: Clock,
  ) {
    super(request, onEvent)
    this.#pace = pace
    this.#clock = clock
    this.cursor = request.cursor
  }

  async start(): Promise<void> {
    const token = await this.fetchToken()
    if (token === undefined) return
    // The first request does not wait: its answer is the welcome, and brings the first cursor.
    if (!(await this.#poll(token, 0))) return
    do await this.#pause()
    while (await this.#poll(token, this.#pace.waitSeconds))
  }

  protected release(): void {
    this.#cancelPause()
    this.#abort.abort()
  }

  /** One request and its answer. False: the connection is over. */
  async #poll(token: string, waitSeconds: number): Promise<boolean> {
    if (this.isClosed) return false
    const cancelGrace = this.#clock.after(waitSeconds * 1000 + answerGraceMs, () => {
      const message = 'a poll was not answered'
      this.end({ code: 'connection_silent', message, retryable: true })
    })
    try {
      const response = await this.#fetch(token, waitSeconds)
      const text = await response.text()
      this.emit({ type: 'wire', direction: 'in', text: `${response.status} ${text}` })
      if (response.status === 204) this.endAll()
      else if (response.ok) this.#answer(JSON.parse(text) as PollAnswer)
      else this.end(readRefusal(response, text, this.#clock.now()))
    } catch (error) {
      this.end({ code: 'connection_lost', message: String(error), retryable: true })
    } finally {
      cancelGrace()
    }
    return !this.isClosed
  }

  #fetch(token: string, waitSeconds: number): Promise<Response> {
    const url = eventsUrl(this.request.url)
    const body = JSON.stringify({
      channels: this.request.channels,
      cursor: this.cursor,
      last: this.request.last,
      wait: waitSeconds,
    })
    this.emit({ type: 'wire', direction: 'out', text: `POST ${url.pathname} ${body}` })
    const init = requestInit({ method: 'POST', token, body })
    return fetch(url, { ...init, signal: this.#abort.signal })
  }

  #answer(answer: PollAnswer): void {
    const { publications, gaps = [], ended = [], recovered = {} } = answer
    if (!this.#isWelcome) {
      this.#isWelcome = true
      this.emit({ type: 'welcome', subscriptions: this.request.channels })
      for (const [channel, isRecovered] of Object.entries(recovered)) {
        this.emit({ type: 'recovered', channel, recovered: isRecovered })
      }
    }
    const waiting = new Set(gaps)
    for (const publication of publications) {
      for (const gap of waiting) {
        if (!liesBefore(gap, publication)) continue
        waiting.delete(gap)
        this.lose({ ...gap, type: 'gap' })
      }
      if (this.linkOf(publication) === 'broken') return
      this.take(publication)
    }
    for (const gap of waiting) this.lose({ ...gap, type: 'gap' })
    // That all have ended is the next answer's to say: the token may have added channels.
    for (const channel of ended) this.endChannel(channel)
    // Who closes it in the middle of an answer gets that again.
    if (!this.isClosed) this.cursor = answer.cursor
  }

  #pause(): Promise<void> {
    if (this.#pace.intervalMs === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const cancel = this.#clock.after(this.#pace.intervalMs, resolve)
      this.#cancelPause = () => {
        cancel()
        resolve()
      }
    })
  }
}

/** Whether the gap was told, or lies, before this publication; of other channels it does not. */
function liesBefore(gap: Omit<GapEvent, 'type'>, publication: Publication): boolean {
  const { channel, pattern = channel, offset = 0 } = publication
  if (gap.channel !== pattern) return false
  return gap.epoch !== undefined || gap.after === undefined || gap.after < offset
}
