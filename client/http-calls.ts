/** Publishes and reads histories by HTTP, again where that is harmless (PROTOCOL 8). */
import { backoffFirstMsMax, backoffMs } from '../shared/backoff.js'
import { namespaceOf } from '../shared/channel.js'
import { Cancellation } from './cancellation.js'
import { askGateway, type HttpAnswer, type HttpFailure, type HttpRequest } from './http-request.js'
import type { Pace } from './reconnect-pace.js'
import { systemClock } from './system-clock.js'
import { TidegateError } from './tidegate-error.js'
import type { Publication } from './transport.js'

export interface HttpCallsOptions {
  /** The gateway's address: `https://rt.example.com`. */
  readonly url: string
  /**
   * Asked for a token by every request. `refused` is the one that the gateway has just called
   * expired, so that a provider which keeps its token knows that a new one is wanted.
   */
  readonly token: (refused?: string) => Promise<string>
  /** By default the platform's. */
  readonly fetch?: typeof fetch
  /** By default the platform's clock, and `Math.random`. */
  readonly pace?: Pace
  /**
   * Whether the channel is known to be durable: a `subscribed` of it had an `epoch`, or had none.
   * Undefined, or left out: by what the answers to earlier calls in its namespace told.
   */
  readonly isDurable?: (channel: string) => boolean | undefined
  /**
   * How long after its first try a publication may be tried again, in ms: above 0, and at least
   * 15 s less than the duplicate window of the gateway's histories, which is 2 minutes or their
   * age if that is less (PROTOCOL 4.20). 100,000 by default.
   */
  readonly resendMsMax?: number
}

export interface PublishOptions {
  /**
   * 1 to 128 visible ASCII characters; by default a random one. A later call with the same key,
   * channel and `sub` within the duplicate window stores nothing, and gets the first one's offset.
   */
  readonly idempotencyKey?: string
  /** Gives up waiting; what was sent by then may have been published. */
  readonly signal?: AbortSignal
}

export interface Published {
  /** Its place in the history of a durable channel. Left out of an ephemeral one. */
  readonly offset?: number
}

export interface HistoryOptions {
  /** Shows what lies behind this offset, from 0 to 2^53 - 1; 0 by default. */
  readonly after?: number
  /** Publications, at most: 1 to 1,000, by default 100. A page may have fewer, and `more`. */
  readonly limit?: number
  readonly signal?: AbortSignal
}

/** A page of what a durable channel keeps, oldest first. */
export interface HistoryPage {
  readonly channel: string
  /** Another one than on the page before: these are the offsets of another history. */
  readonly epoch: string
  readonly publications: readonly Publication[]
  /** The offset to show for the next page. */
  readonly after: number
  /** Whether anything lay behind this page. */
  readonly more: boolean
  /** Whether the channel has ended. */
  readonly ended: boolean
}

/** Twenty seconds short of the duplicate window: what is sent last may still arrive in it. */
const resendMsMaxDefault = 100_000
const historyRetriesMax = 3
/** The wait does not grow beyond this attempt. */
const attemptMax = 16

/** Calls without a connection. Each stands for itself: await one where order matters. */
export class HttpCalls {
  readonly #options: HttpCallsOptions
  readonly #send: typeof fetch
  readonly #pace: Pace
  readonly #open = new Set<Cancellation>()
  /** Namespaces whose last answer had an offset: as many as the application publishes in. */
  readonly #durable = new Set<string>()
  #isClosed = false

  constructor(options: HttpCallsOptions) {
    this.#options = options
    this.#send = options.fetch ?? ((input, init) => fetch(input, init))
    this.#pace = options.pace ?? { clock: systemClock, random: Math.random }
  }

  /**
   * Publishes `data`, anything that `JSON.stringify` takes, in a channel. On a durable channel it
   * is sent again, with backoff and one key, until it is answered: then the history holds it, once.
   * On any other it is sent again only after refusals that say that it was not made.
   *
   * Rejects with a `TidegateError`: the refusal's code if it was not published for certain;
   * `publish_unanswered` if that is not known, with the last failure as `cause`; `bad_request` for
   * data that is no JSON; `token_unavailable`; `closed`. Rejects with the signal's reason at abort.
   */
  async publish(channel: string, data: unknown, options: PublishOptions = {}): Promise<Published> {
    const { idempotencyKey = randomKey(), signal } = options
    const body = publishBody(channel, data, idempotencyKey)
    return await this.#call(signal, (call) => this.#publish(call, channel, body))
  }

  /**
   * Reads one page of what a durable channel keeps. Tried again up to 3 times after failures that
   * pass. Rejects with a `TidegateError`: the refusal's code (`bad_request`, too, for an ephemeral
   * channel), or that of the last failure; `closed`. Rejects with the signal's reason at abort.
   */
  async history(channel: string, options: HistoryOptions = {}): Promise<HistoryPage> {
    const { after, limit, signal } = options
    const query = new URLSearchParams({ channel })
    if (after !== undefined) query.set('after', String(after))
    if (limit !== undefined) query.set('limit', String(limit))
    return await this.#call(signal, (call) => this.#history(call, `history?${query}`))
  }

  /** Gives up all calls, and those to come: they reject with the code `closed`. */
  close(): void {
    this.#isClosed = true
    for (const call of this.#open) call.cancel(closedError())
  }

  async #call<Value>(
    signal: AbortSignal | undefined,
    run: (call: Cancellation) => Promise<Value>,
  ): Promise<Value> {
    if (this.#isClosed) throw closedError()
    signal?.throwIfAborted()
    const call = new Cancellation(signal)
    this.#open.add(call)
    try {
      return await run(call)
    } finally {
      this.#open.delete(call)
      call.end()
    }
  }

  async #publish(call: Cancellation, channel: string, body: string): Promise<Published> {
    const { clock } = this.#pace
    const { resendMsMax = resendMsMaxDefault } = this.#options
    const startedAt = clock.now()
    // The clock sees what a machine slept, the timer does not mind a clock that is set back.
    let isLate = false
    const stopTimer = clock.after(resendMsMax, () => {
      isLate = true
    })
    const isOver = (delayMs = 0) => isLate || clock.now() - startedAt + delayMs >= resendMsMax
    let mayBeMade = false
    try {
      for (let attempt = 0; ; attempt += 1) {
        const answer = await this.#ask(call, { method: 'POST', path: 'publish', body })
        if (answer.ok) return this.#published(channel, answer.body)
        mayBeMade ||= !answer.isUndone
        const mayResend = answer.retryable && (answer.isUndone || this.#isDurable(channel))
        const delayMs = this.#delayMs(answer, attempt)
        if (!mayResend || isOver(delayMs)) throw publishError(answer.error, mayBeMade)
        await call.wait(clock, delayMs)
        if (isOver()) throw publishError(answer.error, mayBeMade)
      }
    } finally {
      stopTimer()
    }
  }

  #published(channel: string, { offset }: Readonly<Record<string, unknown>>): Published {
    const namespace = namespaceOf(channel)
    if (typeof offset !== 'number') {
      this.#durable.delete(namespace)
      return {}
    }
    this.#durable.add(namespace)
    return { offset }
  }

  #isDurable(channel: string): boolean {
    return this.#options.isDurable?.(channel) ?? this.#durable.has(namespaceOf(channel))
  }

  async #history(call: Cancellation, path: string): Promise<HistoryPage> {
    for (let attempt = 0; ; attempt += 1) {
      const answer = await this.#ask(call, { method: 'GET', path })
      if (answer.ok) return historyPage(answer.body)
      if (!answer.retryable || attempt === historyRetriesMax) throw answer.error
      await call.wait(this.#pace.clock, this.#delayMs(answer, attempt))
    }
  }

  /** An expired token is replaced once: a provider that has no other is not asked in a circle. */
  async #ask(call: Cancellation, request: Omit<HttpRequest, 'token'>): Promise<HttpAnswer> {
    const first = await this.#askOnce(call, request)
    if (first.ok || first.error.code !== 'token_expired') return first
    const second = await this.#askOnce(call, request, first.token)
    if (second.ok || second.error.code !== 'token_expired') return second
    return { ...second, retryable: false }
  }

  async #askOnce(
    call: Cancellation,
    request: Omit<HttpRequest, 'token'>,
    refused?: string,
  ): Promise<HttpAnswer & { readonly token?: string }> {
    const { url } = this.#options
    const { clock } = this.#pace
    let token: string
    try {
      token = await call.until(this.#options.token(refused))
    } catch (error) {
      if (call.signal.aborted) throw call.signal.reason
      return tokenFailure(error)
    }
    const complete = { ...request, token }
    const answer = await askGateway(url, complete, this.#send, clock, call.signal)
    return { ...answer, token }
  }

  /** `Retry-After` is a floor, and coarse: chance keeps apart who was told the same second. */
  #delayMs({ error: { retryAfterMs } }: HttpFailure, attempt: number): number {
    const random = this.#pace.random()
    if (retryAfterMs !== undefined) return retryAfterMs + random * backoffFirstMsMax
    return backoffMs(Math.min(attempt, attemptMax), random)
  }
}

/** In browsers, `randomUUID` is there on secure pages only. */
function randomKey(): string {
  if ('randomUUID' in crypto) return crypto.randomUUID()
  const bytes = (crypto as Crypto).getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function publishBody(channel: string, data: unknown, idempotencyKey: string): string {
  let text: string | undefined
  let cause: unknown
  try {
    // Undefined for a function, a symbol, and undefined, whatever its type says.
    text = JSON.stringify(data) as string | undefined
  } catch (error) {
    cause = error
  }
  if (text === undefined) throw new TidegateError('bad_request', 'data is no JSON', { cause })
  const head = JSON.stringify({ channel, idempotencyKey })
  return `${head.slice(0, -1)},"data":${text}}`
}

/** @param mayBeMade the gateway may have taken this attempt, or one before */
function publishError(error: TidegateError, mayBeMade: boolean): TidegateError {
  if (!mayBeMade) return error
  const message = `whether it was published is not known: ${error.message}`
  return new TidegateError('publish_unanswered', message, { cause: error })
}

function historyPage(body: Readonly<Record<string, unknown>>): HistoryPage {
  const { epoch, publications, after } = body
  const isPage =
    typeof epoch === 'string' && Array.isArray(publications) && typeof after === 'number'
  if (isPage) return body as unknown as HistoryPage
  throw new TidegateError('protocol_error', 'the answer is no page of a history')
}

function tokenFailure(cause: unknown): HttpFailure {
  const error = new TidegateError('token_unavailable', String(cause), { cause })
  return { ok: false, error, retryable: true, isUndone: true }
}

function closedError(): TidegateError {
  return new TidegateError('closed', 'the client was closed')
}
