/** Server-Sent Events by the browser's own EventSource, which reconnects by itself (PROTOCOL 6). */
import type { Clock } from './clock.js'
import { eventsUrl } from './events-url.js'
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

/** What is needed of an EventSource; the browser's own fits, and so does the npm package. */
export interface EventStream {
  readonly readyState: number
  addEventListener(type: string, listener: (event: StreamEvent) => void): void
  close(): void
}

export interface StreamEvent {
  readonly data?: string
  readonly lastEventId?: string
}

export type OpenEventStream = (url: string) => EventStream

interface Welcome {
  readonly subscriptions: readonly string[]
}

interface Problem {
  readonly code: string
  readonly detail?: string
}

/** A proxy that buffers streams lets the headers through and holds the events back. */
const welcomeWithinMs = 10_000
/** `EventSource.CLOSED`: the browser has given up, because the answer was no event stream. */
const closedState = 2

export class EventStreamTransport implements Transport {
  readonly name = 'event-stream'
  readonly #clock: Clock
  readonly #openStream: OpenEventStream

  constructor(clock: Clock = systemClock, openStream: OpenEventStream = openPlatformStream) {
    this.#clock = clock
    this.#openStream = openStream
  }

  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    const connection = new EventStreamConnection(request, onEvent, this.#clock)
    void connection.start(this.#openStream)
    return connection
  }
}

function openPlatformStream(url: string): EventStream {
  const source = new EventSource(url)
  return {
    get readyState() {
      return source.readyState
    },
    addEventListener(type, listener) {
      source.addEventListener(type, (event: Event) => {
        listener(event instanceof MessageEvent ? (event as MessageEvent<string>) : {})
      })
    },
    close: () => source.close(),
  }
}

class EventStreamConnection extends SingleConnection {
  cursor: string | undefined
  readonly #clock: Clock
  #stream: EventStream | undefined
  #cancelWelcome: () => void = () => undefined
  /** It was welcomed, or told why not: the way there lets streams through. */
  #isProven = false
  /** All names of the stream, those of the token too. */
  #names: readonly string[] = []

  constructor(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void, clock: Clock) {
    super(request, onEvent)
    this.#clock = clock
    this.cursor = request.cursor
  }

  async start(openStream: OpenEventStream): Promise<void> {
    const token = await this.fetchToken()
    if (token === undefined) return
    const query = {
      channels: this.request.channels.join(','),
      ...(this.request.last !== undefined && { last: String(this.request.last) }),
      ...(this.cursor !== undefined && { cursor: this.cursor }),
    }
    const shown = eventsUrl(this.request.url, query)
    this.emit({
      type: 'wire',
      direction: 'out',
      text: `GET ${shown.pathname}${decodeURIComponent(shown.search)}&token=…`,
    })
    this.#stream = openStream(eventsUrl(this.request.url, { ...query, token }).href)
    this.#awaitWelcome()
    this.#listen(this.#stream)
  }

  protected release(): void {
    this.#cancelWelcome()
    this.#stream?.close()
  }

  #listen(stream: EventStream): void {
    stream.addEventListener('open', () => this.#awaitWelcome())
    stream.addEventListener('error', () => this.#fail(stream))
    stream.addEventListener('welcome', (event) => {
      const welcome = this.#read('welcome', event) as Welcome | undefined
      if (welcome === undefined) return
      this.#cancelWelcome()
      this.#isProven = true
      this.#names = welcome.subscriptions
      this.#moveTo(event)
      this.emit({ type: 'welcome', subscriptions: welcome.subscriptions })
    })
    stream.addEventListener('message', (event) => {
      const publication = this.#read('message', event) as Publication | undefined
      if (publication === undefined || this.linkOf(publication) === 'broken') return
      this.#moveTo(event)
      this.take(publication)
    })
    stream.addEventListener('gap', (event) => {
      const gap = this.#read('gap', event) as Omit<GapEvent, 'type'> | undefined
      if (gap === undefined) return
      this.#moveTo(event)
      this.lose({ ...gap, type: 'gap' })
    })
    stream.addEventListener('ended', (event) => {
      const ended = this.#read('ended', event) as { readonly channel: string } | undefined
      if (ended === undefined) return
      this.#moveTo(event)
      this.endChannel(ended.channel)
      if (this.haveEnded(this.#names)) this.endAll()
    })
    stream.addEventListener('problem', (event) => {
      const problem = this.#read('problem', event) as Problem | undefined
      if (problem) this.#suffer(problem.code, problem.detail ?? problem.code)
    })
  }

  #read(type: string, event: StreamEvent): unknown {
    const data = event.data ?? ''
    const id = event.lastEventId ?? ''
    const lines = type === 'message' ? `id: ${id}\n` : `event: ${type}\n`
    this.emit({ type: 'wire', direction: 'in', text: `${lines}data: ${data}` })
    return this.parse(data)
  }

  /** An event without an id of its own repeats the last one: a step back is not possible. */
  #moveTo({ lastEventId = '' }: StreamEvent): void {
    if (lastEventId !== '') this.cursor = lastEventId
  }

  /**
   * The server ends the stream after a problem, and the browser comes back at the server's `retry`.
   * Only an expired token needs us, for the browser would show the same again.
   */
  #suffer(code: string, message: string): void {
    this.#cancelWelcome()
    this.#isProven = true
    if (code === 'token_expired') this.end({ code, message, retryable: true })
    else this.emit({ type: 'problem', code, message })
  }

  #fail(stream: EventStream): void {
    this.#cancelWelcome()
    // An EventSource does not tell why: a new token is the likely cure, backoff bounds the cost.
    // One that was never welcomed may have something in its way that breaks streams.
    if (stream.readyState === closedState || !this.#isProven) {
      this.end({ code: 'connection_lost', message: 'the stream was refused', retryable: true })
      return
    }
    const message = 'the stream ended, the browser opens it again'
    this.emit({ type: 'problem', code: 'connection_lost', message })
  }

  #awaitWelcome(): void {
    this.#cancelWelcome()
    this.#cancelWelcome = this.#clock.after(welcomeWithinMs, () => {
      const message = 'the stream opened and stayed silent'
      this.end({ code: 'connection_silent', message, retryable: true })
    })
  }
}
