/** The broker over NATS: one connection at a time, made again for ever, subscriptions with it. */
import { connect, TimeoutError, type NatsConnection } from '@nats-io/transport-node'
import type { Broker, BrokerEvent, BrokerSubscription, PublishResult } from './broker.js'
import type { Clock } from './clock.js'
import { ErrorReports } from './error-reports.js'
import type { NatsMessage } from './nats-message.js'
import { natsConnectionOptions, type NatsOptions } from './nats-options.js'
import { NatsSession } from './nats-session.js'
import { NatsSubscription } from './nats-subscription.js'

const retryBaseMs = 250
/** nats.js leaves the socket of an attempt that timed out open: make few of them. */
const retryAfterTimeoutBaseMs = 5_000
const lameDuckMsMax = 10_000
const closeMsMax = 2_000

/** nats.js' own timers; tests shorten them. */
export interface NatsTimeouts {
  readonly connectMs: number
  /** Two pings without an answer, and the connection counts as dead. */
  readonly pingIntervalMs: number
}

const defaultTimeouts: NatsTimeouts = { connectMs: 5_000, pingIntervalMs: 15_000 }

/** Reads and checks what `options` names; rejects with a sentence if something cannot be used. */
export async function createNatsBroker(
  options: NatsOptions,
  clock: Clock,
  random: () => number,
  timeouts: NatsTimeouts = defaultTimeouts,
): Promise<NatsBroker> {
  await natsConnectionOptions(options)
  return new NatsBroker(options, clock, random, timeouts)
}

export class NatsBroker implements Broker {
  readonly #options: NatsOptions
  readonly #clock: Clock
  readonly #random: () => number
  readonly #timeouts: NatsTimeouts
  readonly #errors: ErrorReports
  readonly #subscriptions = new Set<NatsSubscription>()
  #listener: (event: BrokerEvent) => void = () => {}
  /** Set as soon as there is a connection, so that new subscriptions are made in it. */
  #session: NatsSession | undefined = undefined
  #isReady = false
  #isClosing = false
  /** Made while the one before was still in use: a lame server is left for this. */
  #successor: NatsConnection | undefined = undefined
  /** Why connecting failed in this stretch, as far as it has been told. */
  #toldReason: string | undefined = undefined
  #hasTimedOut = false
  #endWait: () => void = () => {}

  constructor(options: NatsOptions, clock: Clock, random: () => number, timeouts: NatsTimeouts) {
    this.#options = options
    this.#clock = clock
    this.#random = random
    this.#timeouts = timeouts
    this.#errors = new ErrorReports(
      (event) => this.#listener(event),
      () => clock.now(),
    )
  }

  /** Errors so far; only some of them became events. */
  get errorCount(): number {
    return this.#errors.count
  }

  get isConnected(): boolean {
    return this.#isReady
  }

  get readySession(): NatsSession | undefined {
    return this.#isReady ? this.#session : undefined
  }

  onEvent(listener: (event: BrokerEvent) => void): void {
    this.#listener = listener
  }

  async start(): Promise<void> {
    void this.#run()
  }

  subscribe(subject: string, receive: (message: NatsMessage) => void): BrokerSubscription {
    const subscription = new NatsSubscription(subject, receive, this)
    this.#subscriptions.add(subscription)
    this.#session?.subscribe(subscription)
    return subscription
  }

  forget(subscription: NatsSubscription): void {
    this.#subscriptions.delete(subscription)
  }

  async publish(
    subject: string,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<PublishResult> {
    const session = this.readySession
    if (session === undefined) return { ok: false, code: 'broker_unavailable' }
    return session.publish(subject, payload, headers)
  }

  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#isReady = false
    this.#endWait()
    const session = this.#session
    if (session === undefined) return
    await Promise.race([session.roundTrip(), this.#wait(closeMsMax)])
    this.#endWait()
    await session.close()
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      const connection = this.#successor ?? (await this.#connect())
      this.#successor = undefined
      if (connection !== undefined) await this.#live(connection)
      if (this.#successor === undefined && !this.#isClosing) await this.#wait(this.#retryMs())
    }
    await this.#successor?.close()
  }

  /** From a fresh connection to its end. */
  async #live(connection: NatsConnection): Promise<void> {
    const session: NatsSession = new NatsSession(connection, {
      onError: (reason) => this.#errors.report(reason),
      onLameDuck: () => void this.#leave(session),
    })
    if (this.#isClosing) return session.close()
    this.#session = session
    const isReady = await session.begin(this.#subscriptions)
    if (isReady && !this.#isClosing) this.#ready(session)
    const reason = await session.ended
    this.#session = undefined
    if (this.#isReady) this.#gone(session)
    else this.#connectFailed(reason)
  }

  #ready(session: NatsSession): void {
    this.#isReady = true
    this.#toldReason = undefined
    this.#hasTimedOut = false
    this.#listener({ type: 'connected', server: session.server })
  }

  #gone(session: NatsSession): void {
    this.#isReady = false
    if (!this.#isClosing) this.#listener({ type: 'disconnected', server: session.server })
  }

  async #connect(): Promise<NatsConnection | undefined> {
    try {
      return await connect({
        ...(await natsConnectionOptions(this.#options)),
        name: 'tidegate',
        // This class reconnects: nats.js' own loop says not why it fails, and gives up on its own.
        reconnect: false,
        ignoreClusterUpdates: true,
        noAsyncTraces: true,
        timeout: this.#timeouts.connectMs,
        pingInterval: this.#timeouts.pingIntervalMs,
        maxPingOut: 2,
      })
    } catch (error) {
      this.#hasTimedOut = error instanceof TimeoutError
      if (this.#session === undefined) this.#connectFailed(reasonOf(error))
      return undefined
    }
  }

  /** Once a stretch; if the reason changes within it, that is worth an error event. */
  #connectFailed(reason: string): void {
    if (this.#isClosing) return
    const isFirst = this.#toldReason === undefined
    if (isFirst) this.#listener({ type: 'connect_failed', reason })
    else if (reason !== this.#toldReason) this.#errors.report(`connect failed: ${reason}`)
    this.#toldReason = reason
  }

  /**
   * The server will go away within minutes. Not all nodes leave it at once, and none leaves before
   * it has somewhere to go: a lame server still serves those it has, but lets nobody in.
   */
  async #leave(session: NatsSession): Promise<void> {
    let waitMs = this.#random() * lameDuckMsMax
    while (!this.#isClosing && this.#session === session) {
      await new Promise<void>((resolve) => this.#clock.after(waitMs, resolve))
      if (this.#session !== session) return
      const successor = await this.#connect()
      if (successor === undefined) {
        waitMs = this.#retryMs()
      } else if (this.#session === session && !this.#isClosing) {
        this.#successor = successor
        return session.close()
      } else {
        return successor.close()
      }
    }
  }

  #retryMs(): number {
    const baseMs = this.#hasTimedOut ? retryAfterTimeoutBaseMs : retryBaseMs
    return baseMs * (1 + this.#random())
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(delayMs, resolve)
      this.#endWait = () => {
        cancel()
        resolve()
      }
    })
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : ''
  return error.message + cause
}
