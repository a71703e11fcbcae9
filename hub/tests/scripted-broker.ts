/** A broker that does what the test says, when it says it. */
import type { Broker, BrokerEvent, BrokerMessage, PublishResult } from '../broker.js'

export class ScriptedBroker implements Broker {
  isConnected = false
  /** Subjects as they were subscribed (`+a`) and ended (`-a`). */
  readonly log: string[] = []
  readonly published: [subject: string, headers: Readonly<Record<string, string>>][] = []
  readonly #receivers = new Map<string, (message: BrokerMessage) => void>()
  #confirmations: ((isTaken: boolean) => void)[] = []
  #listener: (event: BrokerEvent) => void = () => {}

  onEvent(listener: (event: BrokerEvent) => void): void {
    this.#listener = listener
  }

  async start(): Promise<void> {}

  async close(): Promise<void> {}

  subscribe(
    subject: string,
    receive: (message: BrokerMessage) => void,
  ): { confirm(): Promise<boolean>; unsubscribe(): void } {
    this.log.push(`+${subject}`)
    this.#receivers.set(subject, receive)
    return {
      confirm: () => new Promise((resolve) => this.#confirmations.push(resolve)),
      unsubscribe: () => {
        this.log.push(`-${subject}`)
        if (this.#receivers.get(subject) === receive) this.#receivers.delete(subject)
      },
    }
  }

  async publish(
    subject: string,
    _payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<PublishResult> {
    this.published.push([subject, headers])
    return { ok: true }
  }

  /** Answers everybody who waits for a confirmation; returns how many they were. */
  confirmAll(isTaken: boolean): number {
    const waiting = this.#confirmations
    this.#confirmations = []
    for (const resolve of waiting) resolve(isTaken)
    return waiting.length
  }

  connect(): void {
    this.isConnected = true
    this.#listener({ type: 'connected', server: 's' })
  }

  disconnect(): void {
    this.isConnected = false
    this.#listener({ type: 'disconnected', server: 's' })
  }

  receive(
    subscribed: string,
    payload: string,
    headers: Record<string, string> = {},
    subject: string = subscribed,
  ): void {
    const bytes = new TextEncoder().encode(payload)
    this.#receivers.get(subscribed)?.({
      subject,
      payload: bytes,
      header: (name) => headers[name],
    })
    bytes.fill(0)
  }
}
