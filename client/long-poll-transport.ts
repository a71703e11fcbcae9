/** Polling: one request after another, each from where the last answer ended (PROTOCOL 7). */
import { answerMsMax } from './gateway.js'
import { SingleConnection } from './single-connection.js'
import type { Refusal } from './tidegate-error.js'
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

type Gap = Omit<GapEvent, 'type'>

interface PollAnswer {
  readonly cursor: string
  readonly publications: readonly Publication[]
  readonly gaps: readonly Gap[]
  /** Channels that have ended, whether told before or not. */
  readonly ended: readonly string[]
  /** By channel that the request had a place of. */
  readonly recovered: Readonly<Record<string, boolean>>
  readonly expiresAt: number
  readonly ticket?: string
}

export class LongPollTransport implements Transport {
  readonly name: 'long-poll' | 'short-poll'
  readonly #pace: PollPace

  constructor(pace: PollPace = longPollPace) {
    this.name = pace.waitSeconds === 0 ? 'short-poll' : 'long-poll'
    this.#pace = pace
  }

  open(request: ConnectionRequest, onEvent: (event: ConnectionEvent) => void): Connection {
    const connection = new LongPollConnection(request, onEvent)
    void connection.start(this.#pace)
    return connection
  }
}

class LongPollConnection extends SingleConnection {
  #isWelcome = false

  async start({ waitSeconds, intervalMs }: PollPace): Promise<void> {
    const { clock } = this.request.gateway.pace
    try {
      // The first request does not wait: its answer is the welcome, and brings the first cursor.
      for (let wait = 0; !this.isClosed; wait = waitSeconds) {
        if (this.#isWelcome && intervalMs > 0) await this.life.wait(clock, intervalMs)
        await this.#poll(wait)
      }
    } catch (error) {
      this.end(error as Refusal)
    }
  }

  /** A request dies with the life of the connection. */
  protected release(): void {}

  async #poll(wait: number): Promise<void> {
    const { signal } = this.life
    const body = JSON.stringify({ ...this.question(), wait })
    const withinMs = wait * 1000 + answerMsMax
    const request = { path: 'events', body, signal, withinMs }
    const text = await this.request.gateway.ask(request, async (response) =>
      response.status === 204 ? undefined : await response.text(),
    )
    if (text === undefined) return this.endAll()
    const answer = this.parse(text) as PollAnswer | undefined
    if (answer !== undefined) this.#take(answer)
  }

  #take(answer: PollAnswer): void {
    const { request } = this
    const { cursor, ended, recovered } = answer
    request.gateway.welcomed(answer)
    if (!this.#isWelcome) {
      this.#isWelcome = true
      this.greet()
      for (const [channel, isRecovered] of Object.entries(recovered)) {
        this.emit({ type: 'recovered', channel, recovered: isRecovered })
      }
    }
    const waiting = new Set(answer.gaps.filter((gap) => this.isOurs(gap)))
    const loseWhere = (isDue: (gap: Gap) => boolean): void => {
      for (const gap of waiting) if (isDue(gap) && waiting.delete(gap)) this.#lose(gap)
    }
    for (const publication of answer.publications) {
      if (!this.isOurs(publication)) continue
      loseWhere((gap) => liesBefore(gap, publication))
      // Who closes it in the middle of an answer gets that again.
      if (this.isClosed || !this.take(publication)) return
    }
    loseWhere(() => true)
    // That all have ended is the next answer's to say: the token may have added channels.
    for (const channel of ended) if (this.isOurs({ channel })) this.endChannel(channel)
    if (!this.isClosed) request.progress.moveTo(cursor, request.channels)
  }

  #lose(gap: Gap): void {
    if (!this.isClosed) this.lose({ ...gap, type: 'gap' })
  }
}

/** Whether the gap was told, or lies, before this publication; of other channels it does not. */
function liesBefore(gap: Gap, { channel, pattern = channel, offset = 0 }: Publication): boolean {
  if (gap.channel !== pattern) return false
  return gap.epoch !== undefined || gap.after === undefined || gap.after < offset
}
