/** A subscriber under audit: comes back whenever it is cut off, and records all that it hears. */
import { numberIn } from './numbered-payload.js'
import type { HeardEvent, SubscriberRecord } from './subscriber-record.js'
import { pause } from './wait.js'

export interface SubscriberOptions {
  /** For the report. */
  readonly subscriber: string
  /** Channels and patterns. */
  readonly names: readonly string[]
  readonly token: string
  /** `http://…` of each node. It begins at the first; when it is cut off it goes to the next. */
  readonly nodes: readonly string[]
  /** Over WebSocket: it begins with the newest so many. */
  readonly last?: number
}

/** A publication as every transport has it. */
export interface PublicationBody {
  readonly channel: string
  readonly pattern?: string
  readonly offset?: number
  readonly previous?: number
  readonly time: number
  readonly data?: unknown
}

export interface GapBody {
  readonly channel: string
  readonly reason: string
  readonly after?: number
  readonly before?: number
  readonly epoch?: string
  readonly offset?: number
}

/** Shorter than a person's client would wait, so that tests are quick. */
const comeBackAfterMs = 100

export abstract class AuditSubscriber implements SubscriberRecord {
  readonly subscriber: string
  readonly events: HeardEvent[] = []
  /** Why its last connection ended, or could not be made. */
  lastProblem: string | undefined = undefined
  protected readonly options: SubscriberOptions
  #node = 0
  #isUp = false
  #connections = 0
  #isStopped = false
  #isAway = false
  #abort = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #return: () => void = () => undefined

  constructor(options: SubscriberOptions) {
    this.subscriber = options.subscriber
    this.options = options
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Connections on which its subscriptions were confirmed. */
  get connections(): number {
    return this.#connections
  }

  start(): void {
    this.#running = this.#run()
  }

  /** Drops its connection without a word, and goes on at the next node, or this one. */
  move(node?: string): void {
    const at = node === undefined ? -1 : this.options.nodes.indexOf(node)
    // The loop goes to the one after it.
    if (at !== -1) this.#node = at + this.options.nodes.length - 1
    this.#abort.abort()
  }

  /** Drops its connection, and does not come back before `comeBack`. */
  leave(): void {
    this.#isAway = true
    this.#abort.abort()
  }

  comeBack(): void {
    this.#isAway = false
    this.#return()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.comeBack()
    this.#abort.abort()
    await this.#running
  }

  /** Resolves or rejects when the connection is over; the signal ends it. */
  protected abstract connect(node: string, signal: AbortSignal): Promise<void>

  /** Everything that it subscribes is confirmed, once for each connection. */
  protected connected(): void {
    if (this.#isUp) return
    this.#isUp = true
    this.#connections += 1
    if (this.#connections > 1) this.record({ type: 'reconnected' })
  }

  /** There is nothing more to come. */
  protected finish(): void {
    this.#isStopped = true
  }

  protected record(event: HeardEvent): void {
    this.events.push(event)
  }

  protected recordPublication(body: PublicationBody): void {
    const { channel, pattern = channel, offset = 0, previous = 0 } = body
    const number = numberIn(body.data, channel)
    this.record({ type: 'publication', name: pattern, channel, offset, previous, number })
  }

  protected recordGap({ channel, reason, after, before, epoch, offset }: GapBody): void {
    this.record({
      type: 'gap',
      name: channel,
      reason,
      ...(after === undefined ? {} : { after }),
      ...(before === undefined ? {} : { before }),
      ...(epoch === undefined ? {} : { epoch }),
      ...(offset === undefined ? {} : { offset }),
    })
  }

  async #run(): Promise<void> {
    const { nodes } = this.options
    while (!this.#isStopped) {
      this.#abort = new AbortController()
      const node = nodes[this.#node % nodes.length] as string
      try {
        await this.connect(node, this.#abort.signal)
        this.lastProblem = 'it was ended by the node'
      } catch (error) {
        this.lastProblem = error instanceof Error ? error.message : String(error)
      }
      if (this.#isUp) this.record({ type: 'disconnected' })
      this.#isUp = false
      this.#node += 1
      if (this.#isAway) await new Promise<void>((resolve) => (this.#return = resolve))
      else if (!this.#isStopped) await pause(comeBackAfterMs)
    }
  }
}
