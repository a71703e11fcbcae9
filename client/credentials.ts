/** Who asks: a token, or a ticket that the gateway gave for it, kept until it is to be renewed. */
import { Cancellation } from './cancellation.js'
import type { Clock } from './clock.js'
import { TidegateError } from './tidegate-error.js'

/** Gives a JWT. What it throws or rejects with is tried again, in backoff. */
export type TokenProvider = () => Promise<string> | string

const answerWithinMs = 30_000
/** It is renewed when this part of its remaining life has passed. */
const renewAfterPart = 0.8

export class Credentials {
  readonly #provider: TokenProvider
  readonly #clock: Clock
  /** One call at a time, whoever wants a token meanwhile. */
  #pending: Promise<string> | undefined
  #token: string | undefined
  #ticket: string | undefined
  #shown: string | undefined
  /** By this machine's clock. Where that is wrong, a refusal tells, and another is asked for. */
  #renewAt = Infinity

  constructor(provider: TokenProvider, clock: Clock) {
    this.#provider = provider
    this.#clock = clock
  }

  /** As a WebSocket's subprotocol carries it: `bearer.<token>` or `ticket.<ticket>`. */
  async get(): Promise<string> {
    this.#forgetOld()
    this.#shown =
      this.#ticket === undefined ? `bearer.${await this.token()}` : `ticket.${this.#ticket}`
    return this.#shown
  }

  /** A JWT. Rejects with a `TidegateError` of code `token_unavailable`. */
  async token(): Promise<string> {
    this.#forgetOld()
    return this.#token ?? (await (this.#pending ??= this.#ask()))
  }

  /** What a welcome, a refresh or a poll is answered with. Returns in how many ms to renew. */
  learn(expiresAt: number, ticket?: string): number {
    const leftMs = (expiresAt - this.#clock.now()) * renewAfterPart
    this.#renewAt = leftMs > 0 ? this.#clock.now() + leftMs : Infinity
    this.#ticket = ticket
    return leftMs
  }

  /** The gateway no longer takes it. If another has taken its place by now, that one is kept. */
  refuse(shown: string | undefined = this.#shown): void {
    if (shown === this.#shown) this.#token = this.#ticket = undefined
  }

  #forgetOld(): void {
    if (this.#clock.now() >= this.#renewAt) this.refuse()
  }

  /** What it throws at once is a rejection, too; one that never answers keeps nobody waiting. */
  async #ask(): Promise<string> {
    const call = new Cancellation()
    call.cancelAfter(this.#clock, answerWithinMs, 'the token provider does not answer')
    try {
      this.#token = await call.until((async () => this.#provider())())
      this.#renewAt = Infinity
      return this.#token
    } catch (cause) {
      throw new TidegateError('token_unavailable', String(cause), { retryable: true, cause })
    } finally {
      this.#pending = undefined
      call.end()
    }
  }
}
