/** Server-Sent Events by `fetch`, so that the token travels in a header (PROTOCOL 6). */
import { EventReader, type StreamEvent } from './event-reader.js'
import type { Welcome } from './gateway.js'
import { SingleConnection } from './single-connection.js'
import type { Refusal } from './tidegate-error.js'
import type {
  Connection,
  ConnectionEvent,
  ConnectionRequest,
  EndedEvent,
  GapEvent,
  Publication,
  Transport,
} from './transport.js'

interface StreamWelcome extends Welcome {
  readonly heartbeatSeconds: number
}

interface Problem {
  readonly code: string
  readonly detail?: string
}

export class EventStreamTransport implements Transport {
  readonly name = 'event-stream'

  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    const connection = new EventStreamConnection(request, onEvent)
    void connection.start()
    return connection
  }
}

type Bytes = ReadableStreamDefaultReader<Uint8Array>

class EventStreamConnection extends SingleConnection {
  #bytes: Bytes | undefined
  readonly #reader = new EventReader()
  #isGreeted = false
  /** Why the server is about to end the stream. */
  #problem: Problem | undefined

  async start(): Promise<void> {
    const { signal } = this.life
    const body = JSON.stringify(this.question())
    const request = { path: 'events', body, accept: 'text/event-stream', signal }
    try {
      this.#bytes = await this.request.gateway.ask(request, async ({ body: stream }) =>
        stream?.getReader(),
      )
      if (this.isClosed) return this.release()
      // All channels had ended: there is nothing to stream.
      if (this.#bytes === undefined) return this.endAll()
      this.heard()
      this.watchSilence()
      await this.#read(this.#bytes)
    } catch (error) {
      // Of a stream that breaks it is an error of the platform's.
      if (this.#bytes === undefined) this.end(error as Refusal)
      else this.fail('connection_lost', String(error))
    }
  }

  protected release(): void {
    this.#bytes?.cancel().catch(() => undefined)
  }

  async #read(bytes: Bytes): Promise<void> {
    const decoder = new TextDecoder()
    for (;;) {
      const { done, value } = await bytes.read()
      if (done) break
      this.heard()
      for (const event of this.#reader.push(decoder.decode(value, { stream: true }))) {
        if (this.isClosed) return
        this.#take(event)
      }
    }
    const { code = 'connection_lost', detail = 'the stream ended' } = this.#problem ?? {}
    const retryAfterMs = this.#reader.retryMs
    // What an event stream is refused with for good has a status of its own (6.6).
    this.end({ code, message: detail, retryable: true, retryAfterMs })
  }

  #take({ name, data, id }: StreamEvent): void {
    const { progress, channels } = this.request
    const said = data === undefined ? undefined : this.parse(data)
    const isOurs = said !== undefined && this.isOurs(said as Publication)
    if (name === 'welcome') this.#welcome(said as StreamWelcome)
    // Before the first cursor who is cut off would begin anew: it has not begun (6.5).
    if (id !== '' && !this.#isGreeted) {
      this.#isGreeted = true
      this.greet()
    }
    // Where something is missing, the cursor must not move over it.
    if (name === 'message' && isOurs && !this.take(said as Publication)) return
    if (id !== '') progress.moveTo(id, channels)
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
    this.request.gateway.welcomed(welcome)
    this.watchSilence(welcome.heartbeatSeconds)
  }
}
