/** Publishes and reads histories by HTTP, again where that is harmless (PROTOCOL 8). */
import { namespaceOf } from '../shared/channel.js'
import { Cancellation } from './cancellation.js'
import { answerMsMax, silentError, type Gateway, type GatewayRequest } from './gateway.js'
import { delayMs } from './reconnect-pace.js'
import { TidegateError } from './tidegate-error.js'
import type { Publication } from './transport.js'

/** How a publication is made. */
export interface PublishOptions {
  /**
   * 1 to 128 visible ASCII characters; by default a random one. A later call with the same key,
   * channel and `sub` within the duplicate window stores nothing, and gets the first one's offset.
   */
  readonly idempotencyKey?: string
  /** Gives up waiting; what was sent by then may have been published. */
  readonly signal?: AbortSignal
}

/** What is known of a publication that was made. */
export interface Published {
  /** Its place in the history; absent on ephemeral channels. */
  readonly offset?: number
}

/** Which page of a history. */
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

/** What is sent last may still arrive within the duplicate window. */
const resendMarginMs = answerMsMax + 5_000
const historyRetriesMax = 3
/** A token was replaced already: its provider has no other. A page is that of a wrong address. */
const spent = /^(token_expired|http_40[0-7])$/
/**
 * Refusals of 500 and above that say that nothing was done: the node turned the request away. What
 * came to `broker_unavailable` or `internal_error` may have been done (PROTOCOL 4.11).
 */
const undone = /^(overloaded|draining|key_unknown|token_unavailable)$/

/** Calls without a connection. Each stands for itself: await one where order matters. */
export class HttpCalls {
  readonly #gateway: Gateway
  readonly #isKnownDurable: (channel: string) => boolean
  readonly #life: AbortSignal
  /** Namespaces whose last answer had an offset: as many as the application publishes in. */
  readonly #durable = new Set<string>()

  /**
   * @param life its abort gives up all calls, and those to come
   * @param isKnownDurable by what a subscription told; else the answers to calls tell
   */
  constructor(gateway: Gateway, life: AbortSignal, isKnownDurable: (channel: string) => boolean) {
    this.#gateway = gateway
    this.#life = life
    this.#isKnownDurable = isKnownDurable
  }

  async publish(channel: string, data: unknown, options: PublishOptions = {}): Promise<Published> {
    const { idempotencyKey = randomKey(), signal } = options
    const request = { path: 'publish', body: JSON.stringify({ channel, idempotencyKey, data }) }
    const namespace = namespaceOf(channel)
    let mayBeMade = false
    const mayResend = (error: TidegateError): boolean => {
      const isUndone = isUndoneAfter(error)
      mayBeMade ||= !isUndone
      return isUndone || this.#isKnownDurable(channel) || this.#durable.has(namespace)
    }
    try {
      const resendMs = this.#gateway.duplicateWindowMs - resendMarginMs
      const { offset } = await this.#ask<Published>(request, signal, resendMs, mayResend)
      if (offset === undefined) this.#durable.delete(namespace)
      else this.#durable.add(namespace)
      return offset === undefined ? {} : { offset }
    } catch (error) {
      if (!(error instanceof TidegateError) || error.code === 'closed') throw error
      throw mayBeMade || error.code === 'connection_silent' ? unanswered(error) : error
    }
  }

  async history(channel: string, options: HistoryOptions = {}): Promise<HistoryPage> {
    const { after = 0, limit = 100, signal } = options
    const query = new URLSearchParams({ channel, after: `${after}`, limit: `${limit}` })
    const mayAsk = (_error: TidegateError, attempt: number) => attempt < historyRetriesMax
    return await this.#ask<HistoryPage>({ path: `history?${query}` }, signal, Infinity, mayAsk)
  }

  async #ask<Value>(
    request: GatewayRequest,
    signal: AbortSignal | undefined,
    withinMs: number,
    mayRetry: (error: TidegateError, attempt: number) => boolean,
  ): Promise<Value> {
    const { pace } = this.#gateway
    const { clock } = pace
    const call = new Cancellation(this.#life, signal)
    // The clock sees what a machine slept, the timer does not mind a clock that is set back.
    const endsAt = clock.now() + withinMs
    call.cancelAfter(clock, Math.max(withinMs, 0) + answerMsMax, silentError())
    try {
      call.signal.throwIfAborted()
      for (let attempt = 0; ; attempt += 1) {
        try {
          return await this.#gateway.ask({ ...request, signal: call.signal }, readJson<Value>)
        } catch (error) {
          if (call.signal.aborted || !(error instanceof TidegateError)) throw error
          const { code, retryable, retryAfterMs } = error
          const isWorthIt = mayRetry(error, attempt) && retryable
          const wait = delayMs(pace, attempt, retryAfterMs)
          const isLate = clock.now() + wait >= endsAt
          if (isLate || !isWorthIt || spent.test(code)) throw error
          await call.wait(clock, wait)
          if (clock.now() >= endsAt) throw error
        }
      }
    } finally {
      call.end()
    }
  }
}

function readJson<Value>(response: Response): Promise<Value> {
  return response.json() as Promise<Value>
}

/** In browsers, `randomUUID` is there on secure pages only. */
function randomKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-')
}

/** Whether it is certain that the gateway did not do what was asked. */
function isUndoneAfter({ code, status }: TidegateError): boolean {
  if (undone.test(code)) return true
  // A proxy's own 408 may stand for a body that the gateway has had all of.
  if (status === 408) return code === 'request_timeout'
  return status !== undefined && status < 500
}

function unanswered(cause: TidegateError): TidegateError {
  const message = `it may be published: ${cause.message}`
  return new TidegateError('publish_unanswered', message, { cause })
}
