/** What an application hears from the SDK, in the form that the auditor takes; it runs anywhere. */
import { namespaceOf } from '../../shared/channel.js'
import type { Tidegate } from '../../client/tidegate.js'
import type { TransportName } from '../../client/transport.js'
import { numberIn } from '../../loadtest/numbered-payload.js'
import type { HeardEvent } from '../../loadtest/subscriber-record.js'

export interface RecordOptions {
  /** Channels and patterns. */
  readonly names: readonly string[]
  /** By durable namespace: the SDK does not say where a subscription begins. */
  readonly epochs: Readonly<Record<string, string>>
}

/** What has come since the last report. */
export interface Report {
  readonly events: readonly HeardEvent[]
  /** By what it connected, each time. */
  readonly connections: readonly TransportName[]
  /** Codes of what was refused, and of what ended its connections. */
  readonly problems: readonly string[]
  readonly state: string
  /** It is connected, and everything is subscribed. */
  readonly isUp: boolean
}

export class SdkRecord {
  readonly #tidegate: Tidegate
  readonly #options: RecordOptions
  readonly #subscribed = new Set<string>()
  #events: HeardEvent[] = []
  #connections: TransportName[] = []
  #problems: string[] = []
  #wasConnected = false
  #isConnected = false

  /** Holds each name; nothing may have been published in any of them before. */
  constructor(tidegate: Tidegate, options: RecordOptions) {
    this.#tidegate = tidegate
    this.#options = options
    tidegate.on('state', () => this.#become(tidegate.state))
    tidegate.on('problem', ({ code }) => this.#problems.push(code))
    for (const name of options.names) this.#follow(name)
  }

  report(): Report {
    const report: Report = {
      events: this.#events,
      connections: this.#connections,
      problems: this.#problems,
      state: this.#tidegate.state.type,
      isUp: this.#isConnected && this.#subscribed.size === this.#options.names.length,
    }
    this.#events = []
    this.#connections = []
    this.#problems = []
    return report
  }

  #become(state: Tidegate['state']): void {
    if (state.type === 'waiting' || state.type === 'closed') this.#problems.push(state.code)
    const isConnected = state.type === 'connected'
    if (state.type === 'connected') this.#connections.push(state.transport)
    if (isConnected === this.#isConnected) return
    this.#isConnected = isConnected
    if (!isConnected) {
      this.#subscribed.clear()
      this.#events.push({ type: 'disconnected' })
    } else if (this.#wasConnected) this.#events.push({ type: 'reconnected' })
    this.#wasConnected ||= isConnected
  }

  #follow(name: string): void {
    const channel = this.#tidegate.channel(name)
    const epoch = this.#options.epochs[namespaceOf(name)] ?? ''
    channel.on('subscribed', () => {
      this.#subscribed.add(name)
      this.#events.push({ type: 'subscribed', name, epoch, offset: 0 })
    })
    channel.on('publication', ({ publication }) => {
      const { channel: published, offset = 0, previous = 0, data } = publication
      const number = numberIn(data, published)
      const place = { channel: published, offset, previous, number }
      this.#events.push({ type: 'publication', name, ...place })
    })
    channel.on('gap', ({ channel: _, ...gap }) => this.#events.push({ ...gap, name }))
    channel.on('ended', () => this.#events.push({ type: 'ended', name }))
    channel.on('problem', ({ code }) => this.#problems.push(`${name}: ${code}`))
  }
}
