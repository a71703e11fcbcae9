/** The in-memory broker behind a switch: it can be away, be slow to confirm, be slow to take. */
import type {
  Broker,
  BrokerEvent,
  BrokerMessage,
  BrokerSubscription,
  PublishResult,
} from '../../hub/broker.js'
import { MemoryBroker } from '../../hub/memory-broker.js'

export class SwitchBroker implements Broker {
  /** While true, confirmations and publishes wait for `release`. */
  isHolding = false
  readonly #memory = new MemoryBroker()
  #listener: (event: BrokerEvent) => void = () => {}
  #isConnected: boolean
  #held: (() => void)[] = []

  constructor(isConnected = true) {
    this.#isConnected = isConnected
  }

  get isConnected(): boolean {
    return this.#isConnected && this.#memory.isConnected
  }

  /** How many wait for `release`. */
  get heldCount(): number {
    return this.#held.length
  }

  onEvent(listener: (event: BrokerEvent) => void): void {
    this.#listener = listener
  }

  async start(): Promise<void> {
    if (this.#isConnected) this.connect()
  }

  close(): Promise<void> {
    return this.#memory.close()
  }

  connect(): void {
    this.#isConnected = true
    this.#listener({ type: 'connected', server: 'switch' })
  }

  /** What is published from now on is lost, as it is for a node that NATS cannot reach. */
  disconnect(): void {
    this.#isConnected = false
    this.#listener({ type: 'disconnected', server: 'switch' })
    this.release()
  }

  /** Lets everything through that was held, and holds nothing more. */
  release(): void {
    this.isHolding = false
    for (const go of this.#held.splice(0)) go()
  }

  subscribe(subject: string, receive: (message: BrokerMessage) => void): BrokerSubscription {
    const subscription = this.#memory.subscribe(subject, (message) => {
      if (this.#isConnected) receive(message)
    })
    return {
      confirm: async () => {
        await this.#hold()
        return this.#isConnected && (await subscription.confirm())
      },
      unsubscribe: () => subscription.unsubscribe(),
    }
  }

  async publish(
    subject: string,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<PublishResult> {
    await this.#hold()
    if (!this.#isConnected) return { ok: false, code: 'broker_unavailable' }
    return this.#memory.publish(subject, payload, headers)
  }

  async #hold(): Promise<void> {
    if (this.isHolding) await new Promise<void>((resolve) => this.#held.push(resolve))
  }
}
