/** A memory broker whose connection a test takes away, and whose confirmations it holds back. */
import type {
  Broker,
  BrokerEvent,
  BrokerMessage,
  BrokerSubscription,
  PublishResult,
} from '../../hub/broker.js'
import { MemoryBroker } from '../../hub/memory-broker.js'

export class FakeBroker implements Broker {
  readonly #memory = new MemoryBroker()
  #listener: (event: BrokerEvent) => void = () => {}
  #isConnected = true
  /** Confirmations that wait; undefined: they are not held. */
  #held: ((isConfirmed: boolean) => void)[] | undefined = undefined

  get isConnected(): boolean {
    return this.#isConnected
  }

  onEvent(listener: (event: BrokerEvent) => void): void {
    this.#listener = listener
    this.#memory.onEvent(listener)
  }

  start(): Promise<void> {
    return this.#memory.start()
  }

  subscribe(subject: string, receive: (message: BrokerMessage) => void): BrokerSubscription {
    const subscription = this.#memory.subscribe(subject, receive)
    return { confirm: () => this.#confirm(), unsubscribe: () => subscription.unsubscribe() }
  }

  async publish(
    subject: string,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<PublishResult> {
    if (!this.#isConnected) return { ok: false, code: 'broker_unavailable' }
    return this.#memory.publish(subject, payload, headers)
  }

  close(): Promise<void> {
    return this.#memory.close()
  }

  disconnect(): void {
    this.#isConnected = false
    this.#listener({ type: 'disconnected', server: 'fake' })
  }

  connect(): void {
    this.#isConnected = true
    this.#listener({ type: 'connected', server: 'fake' })
  }

  holdConfirmations(): void {
    this.#held = []
  }

  get heldCount(): number {
    return this.#held?.length ?? 0
  }

  releaseConfirmations(isConfirmed: boolean): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const resolve of held) resolve(isConfirmed)
  }

  #confirm(): Promise<boolean> {
    const held = this.#held
    if (held === undefined) return Promise.resolve(this.#isConnected)
    return new Promise((resolve) => held.push(resolve))
  }
}
