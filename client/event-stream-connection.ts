/** What is heard by event stream: one that goes on, or one after another that end by themselves. */
import { EventReader, type StreamEvent } from './event-reader.js'
import { answerMsMax, errorOf, type Welcome } from './gateway.js'
import { SingleConnection, welcomeMsMax } from './single-connection.js'
import type {
  ConnectionEvent,
  ConnectionRequest,
  EndedEvent,
  GapEvent,
  Publication,
} from './transport.js'

/** How a poll waits. */
export interface PollPace {
  /** How long the gateway holds a request while nothing happens; 0 makes it short polling. */
  readonly waitSeconds: number
  /** The pause between an answer and the next request. */
  readonly intervalMs: number
}

/** Throws for what is no JSON. */
export type ParseJson = (text: string) => unknown

/** An event stream takes no more, by default (PROTOCOL 12.1). */
export const requestChannelsMax = 16

interface StreamWelcome extends Welcome {
  readonly heartbeatSeconds: number
}

/** What is looked at of any event. */
interface Said {
  readonly channel?: string
  readonly pattern?: string
}

interface Problem {
  readonly code: string
  readonly detail?: string
}

type Bytes = ReadableStreamDefaultReader<Uint8Array>

export class EventStreamConnection extends SingleConnection {
  readonly #parse: ParseJson
  /** As many as a request may name. */
  readonly #channels: readonly string[]
  readonly #pace: PollPace | undefined
  #bytes: Bytes | undefined
  /** The request under way has been answered by a gateway. */
  #isAnswered = false
  /** It has had a cursor. */
  #hasBegun = false
  /** Why the server is about to end the stream. */
  #problem: Problem | undefined

  /** @param pace of polls; without one the stream goes on */
  constructor(
    request: ConnectionRequest,
    onEvent: (event: ConnectionEvent) => void,
    parse: ParseJson,
    pace?: PollPace,
  ) {
    super(request, onEvent)
    this.#parse = parse
    this.#channels = request.channels.slice(0, requestChannelsMax)
    this.#pace = pace
    void this.#start()
  }

  protected release(): void {
    this.#bytes?.cancel().catch(() => undefined)
  }

  async #start(): Promise<void> {
    const { clock } = this.request.gateway.pace
    const { waitSeconds, intervalMs = 0 } = this.#pace ?? {}
    try {
      // The first poll does not wait: it is the welcome, and brings the first cursor.
      await this.#ask(this.#pace && 0)
      while (this.#pace && !this.isClosed) {
        if (intervalMs > 0) await this.life.wait(clock, intervalMs)
        await this.#ask(waitSeconds)
      }
    } catch (error) {
      this.end(errorOf(error))
    }
  }

  async #ask(wait: number | undefined): Promise<void> {
    const { signal } = this.life
    this.#isAnswered = false
    const body = JSON.stringify({ ...this.#question(), wait })
    const withinMs = (wait ?? 0) * 1000 + answerMsMax
    const { intervalMs = 0 } = this.#pace ?? {}
    const request = { path: 'events', body, accept: 'text/event-stream', signal, withinMs }
    // The answer may be held back until its end: the poll before it may have waited less.
    if (wait) this.watchSilence(withinMs)
    this.#bytes = await this.request.gateway.ask(request, async (response) =>
      response.body?.getReader(),
    )
    if (this.isClosed) return this.release()
    if (this.#bytes === undefined) return this.#endAll()
    this.watchSilence(wait === undefined ? welcomeMsMax : withinMs + intervalMs)
    const retryAfterMs = await this.#read(this.#bytes)
    // Without a welcome it was no gateway that answered: to ask it again at once is of no use.
    if (this.#pace && this.#isAnswered && !this.#problem) return
    const { code = 'connection_lost', detail = 'the stream ended' } = this.#problem ?? {}
    // What an event stream is refused with for good has a status of its own (6.6).
    this.end({ code, message: detail, retryable: true, retryAfterMs })
  }

  /** All channels had ended: there is nothing to stream. */
  #endAll(): void {
    for (const name of this.#channels) this.endChannel(name)
    this.endAll()
  }

  #question(): object {
    const { last, progress } = this.request
    const channels = this.#channels
    // What has no place begins anew, though a cursor may cover it: JSON leaves it out.
    const positions = Object.fromEntries(channels.map((name) => [name, progress.placeToShow(name)]))
    const [cursor, ...others] = Object.values(positions)
    const isShared = typeof cursor === 'string' && others.every((place) => place === cursor)
    return { channels, last, ...(isShared ? { cursor } : { positions }) }
  }

  /** Until the end, or the close. Returns what the server said of when to come back. */
  async #read(bytes: Bytes): Promise<number | undefined> {
    const reader = new EventReader()
    const decoder = new TextDecoder()
    for (;;) {
      const { done, value } = await bytes.read()
      if (done || this.isClosed) return reader.retryMs
      this.heard()
      for (const event of reader.push(decoder.decode(value, { stream: true }))) {
        if (!this.isClosed) this.#take(event)
      }
    }
  }

  #take({ name, data, id }: StreamEvent): void {
    const channels = this.#channels
    const said = data === undefined ? undefined : (this.#parse(data) as Said)
    // The token may subscribe others. Nobody holds those, and their places are not shown.
    const isOurs = channels.includes(said?.pattern ?? said?.channel ?? '')
    // Where something is missing, the cursor must not move over it.
    if (name === 'message' && isOurs && !this.take(said as Publication)) return
    if (name === 'welcome') this.#welcome(said as StreamWelcome)
    if (id !== '') this.#moveTo(id)
    if (name === 'gap' && isOurs) this.lose({ ...(said as Omit<GapEvent, 'type'>), type: 'gap' })
    if (name === 'problem') this.#problem = said as Problem
    if (name === 'reconnect') {
      this.emit({ type: 'reconnect', afterMs: (said as { afterMs: number }).afterMs })
    }
    if (name === 'ended' && isOurs) {
      this.endChannel((said as EndedEvent).channel)
      this.endIfAllHave(channels)
    }
  }

  #welcome(welcome: StreamWelcome): void {
    this.#isAnswered = true
    this.request.gateway.welcomed(welcome)
    if (!this.#pace) this.watchSilence(welcome.heartbeatSeconds * 2000)
    if (!this.#hasBegun) this.emit({ type: 'welcome' })
  }

  /** With the first cursor: who is cut off before that does not know where to go on (6.5). */
  #moveTo(cursor: string): void {
    const { channels: wanted, progress } = this.request
    const channels = this.#channels
    const cutOff = channels.filter((name) => progress.isCutOff(name))
    progress.moveTo(cursor, channels)
    if (this.#hasBegun) return
    this.#hasBegun = true
    for (const channel of channels) this.emit({ type: 'subscribed', channel })
    for (const channel of cutOff) this.missed(channel)
    for (const channel of wanted.slice(requestChannelsMax)) {
      const message = 'no room'
      this.emit({ type: 'problem', code: 'too_many_subscriptions', message, channel })
    }
    this.emit({ type: 'ready' })
  }
}
