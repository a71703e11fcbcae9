/** A broker inside the process, for one node without NATS. Delivers synchronously. */
import type {
  Broker,
  BrokerEvent,
  BrokerMessage,
  BrokerSubscription,
  PublishResult,
} from './broker.js'
import { ErrorReports } from './error-reports.js'
import { isHeaderValue } from './header-value.js'
import { SubjectIndex } from './subject-index.js'

type Receive = (message: BrokerMessage) => void

interface Entry {
  readonly receive: Receive
  isActive: boolean
}

/** A receiver that publishes for each message it gets would fill the memory otherwise. */
const waitingMax = 10_000

const unavailable: PublishResult = { ok: false, code: 'broker_unavailable' }

export class MemoryBroker implements Broker {
  readonly #index = new SubjectIndex<Entry>()
  /** Published by a receiver: waits until the message before it has reached everybody. */
  readonly #waiting: BrokerMessage[] = []
  #isDelivering = false
  #isOpen = true
  #listener: (event: BrokerEvent) => void = () => {}
  readonly #errors = new ErrorReports(
    (event) => this.#listener(event),
    () => 0,
  )

  get errorCount(): number {
    return this.#errors.count
  }

  get isConnected(): boolean {
    return this.#isOpen
  }

  onEvent(listener: (event: BrokerEvent) => void): void {
    this.#listener = listener
  }

  async start(): Promise<void> {
    this.#listener({ type: 'connected', server: 'memory' })
  }

  subscribe(subject: string, receive: Receive): BrokerSubscription {
    const entry: Entry = { receive, isActive: true }
    this.#index.add(subject, entry)
    return {
      confirm: async () => this.#isOpen && entry.isActive,
      unsubscribe: () => {
        entry.isActive = false
        this.#index.delete(subject, entry)
      },
    }
  }

  async publish(
    subject: string,
    payload: Uint8Array,
    headers: Readonly<Record<string, string>>,
  ): Promise<PublishResult> {
    if (!this.#isOpen || !Object.values(headers).every(isHeaderValue)) return unavailable
    const header = (name: string): string | undefined =>
      Object.hasOwn(headers, name) ? headers[name] : undefined
    if (this.#isDelivering) {
      if (this.#waiting.length >= waitingMax) return unavailable
      this.#waiting.push({ subject, payload: new Uint8Array(payload), header })
    } else {
      this.#deliverAll({ subject, payload, header })
    }
    return { ok: true }
  }

  async close(): Promise<void> {
    this.#isOpen = false
  }

  #deliverAll(first: BrokerMessage): void {
    this.#isDelivering = true
    for (let next: BrokerMessage | undefined = first; next; next = this.#waiting.shift()) {
      for (const entry of this.#index.match(next.subject)) {
        if (entry.isActive) this.#deliver(entry, next)
      }
    }
    this.#isDelivering = false
  }

  #deliver(entry: Entry, message: BrokerMessage): void {
    try {
      entry.receive(message)
    } catch (thrown) {
      this.#errors.report(`receiver of ${message.subject}: ${String(thrown)}`)
    }
  }
}
