/** One pass over a whole stream: a pull consumer without acks, which ends at the head. */
import { createInbox, nuid } from '@nats-io/transport-node'
import type { BrokerSubscription } from './broker.js'
import type { Clock } from './clock.js'
import type { Scan, ScanEnd, StoredPublication } from './history.js'
import { apiRequest, leaderMessage, streamInfo } from './jetstream-api.js'
import { deliveredOf, type Delivered } from './jetstream-message.js'
import type { NatsBroker } from './nats-broker.js'
import type { NatsMessage } from './nats-message.js'
import type { NatsSession } from './nats-session.js'
import { nextTurn } from './next-turn.js'
import { ScanCredit } from './scan-credit.js'

const nsPerMs = 1_000_000
const heartbeatMs = 1_000
const pullMs = 30_000
/** Of a pull: its bytes are its bound. */
const pullCountMax = 1_000_000
/** Neither a publication nor a heartbeat for so long: it is broken. */
const silentMsMax = 3_000
/** A replica that does not get to where its leader was when the scan began. */
const laggingMsMax = 5_000

export interface ScanSource {
  readonly broker: NatsBroker
  readonly clock: Clock
  readonly stream: string
  /** What a subject has before the channel. */
  readonly prefix: string
  readonly timeoutMs: number
}

export class JetStreamScan implements Scan {
  readonly ended: Promise<ScanEnd | undefined>
  readonly #source: ScanSource
  readonly #take: (publication: StoredPublication) => void
  readonly #consumer = nuid.next()
  readonly #inbox = createInbox()
  readonly #credit = new ScanCredit()
  #settle: (end: ScanEnd | undefined) => void = () => {}
  #hasEnded = false
  #session: NatsSession | undefined = undefined
  #subscription: BrokerSubscription | undefined = undefined
  #position: number
  /** Where the leader was when the scan began: an end before that has to be confirmed. */
  #target = 0
  #consumerSequence = 0
  #heardAt: number
  #movedAt: number
  #isConfirming = false
  #isPullPlanned = false
  #cancelWatch: () => void = () => {}

  constructor(source: ScanSource, from: number, take: (publication: StoredPublication) => void) {
    this.#source = source
    this.#take = take
    this.#position = Math.max(from, 1) - 1
    this.#heardAt = this.#movedAt = source.clock.now()
    this.ended = new Promise((resolve) => (this.#settle = resolve))
    this.#session = source.broker.readySession
    void this.#begin()
  }

  get position(): number {
    return this.#position
  }

  stop(): void {
    this.#end(undefined)
  }

  async #begin(): Promise<void> {
    const { stream, timeoutMs, broker } = this.#source
    const connection = this.#session?.connection
    if (connection === undefined) return this.#end(undefined)
    const info = await streamInfo(connection, stream, timeoutMs)
    if (this.#hasEnded) return
    if (!info.ok) return this.#end(undefined)
    const { first, last } = info.value.state
    this.#target = last
    if (first > last || this.#position >= last) return this.#end({ asOf: last })

    this.#subscription = broker.subscribe(this.#inbox, (message) => this.#receive(message))
    this.#heardAt = this.#movedAt = this.#source.clock.now()
    this.#watch()
    const subject = `CONSUMER.CREATE.${stream}.${this.#consumer}`
    const created = await apiRequest(connection, subject, this.#wantedConsumer(), timeoutMs)
    if (this.#hasEnded) return
    if (!created.ok) return this.#end(undefined)
    this.#pull()
    if (created.value['num_pending'] === 0) void this.#confirmHead()
  }

  #wantedConsumer(): Readonly<Record<string, unknown>> {
    return {
      stream_name: this.#source.stream,
      action: 'create',
      config: {
        name: this.#consumer,
        deliver_policy: 'by_start_sequence',
        opt_start_seq: this.#position + 1,
        ack_policy: 'none',
        max_deliver: 1,
        replay_policy: 'instant',
        mem_storage: true,
        num_replicas: 1,
        // Should nobody delete it: the server does when nobody pulls any more.
        inactive_threshold: 5_000 * nsPerMs,
      },
    }
  }

  #receive(message: NatsMessage): void {
    if (this.#hasEnded) return
    this.#heardAt = this.#source.clock.now()
    const delivered = deliveredOf(message, this.#source.prefix)
    if (delivered === undefined) return this.#status(message)
    this.#credit.received(message.bytes)
    this.#deliver(delivered)
    this.#pullNextTurn()
  }

  #deliver({ offset, publication, consumerSequence, pending }: Delivered): void {
    if (consumerSequence !== this.#consumerSequence + 1) return this.#end(undefined)
    this.#consumerSequence = consumerSequence
    this.#position = offset
    this.#movedAt = this.#heardAt
    if (publication !== undefined) this.#take(publication)
    if (pending > 0 || this.#hasEnded) return
    if (offset >= this.#target) this.#end({ asOf: offset })
    else void this.#confirmHead()
  }

  #status(message: NatsMessage): void {
    if (message.status === 100) return this.#heartbeat(message)
    const rest = Number(message.header('Nats-Pending-Bytes'))
    // It has nothing to do with what is pulled: the consumer is gone.
    if (!(rest >= 0)) return this.#end(undefined)
    this.#credit.refused(rest)
    this.#pullNextTurn()
  }

  #heartbeat(message: NatsMessage): void {
    const sent = Number(message.header('Nats-Last-Consumer'))
    if (sent > this.#consumerSequence) return this.#end(undefined)
    if (sent === this.#consumerSequence && this.#position < this.#target) void this.#confirmHead()
  }

  /** Not in this one: its reading would go on with what is sent meanwhile. */
  #pullNextTurn(): void {
    if (this.#isPullPlanned) return
    this.#isPullPlanned = true
    void nextTurn().then(() => {
      this.#isPullPlanned = false
      this.#pull()
    })
  }

  #pull(): void {
    for (let bytes = this.#credit.grant(); bytes !== undefined; bytes = this.#credit.grant()) {
      if (this.#hasEnded) return
      const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.#source.stream}.${this.#consumer}`
      const pull = {
        batch: pullCountMax,
        max_bytes: bytes,
        expires: pullMs * nsPerMs,
        idle_heartbeat: heartbeatMs * nsPerMs,
      }
      try {
        this.#session?.connection.publish(subject, JSON.stringify(pull), { reply: this.#inbox })
      } catch {
        this.#end(undefined)
      }
    }
  }

  /**
   * What the consumer reads from may lag behind the leader; or nothing is kept at the end, and the
   * last publication has a lower offset than the leader named. Only the leader can tell.
   */
  async #confirmHead(): Promise<void> {
    const connection = this.#session?.connection
    if (this.#isConfirming || this.#hasEnded || connection === undefined) return
    this.#isConfirming = true
    const { stream, timeoutMs } = this.#source
    const position = this.#position
    const next = { seq: position + 1, next_by_subj: '>' }
    const found = await leaderMessage(connection, stream, next, timeoutMs)
    this.#isConfirming = false
    if (this.#hasEnded) return
    if (!found.ok) return this.#end(undefined)
    // What it has handed over meanwhile ends the scan in its own way.
    if (found.value !== undefined || this.#position !== position) return
    this.#end({ asOf: Math.max(this.#target, position) })
  }

  /** Broken if it falls silent, if its connection ends, or if it never gets to where it must. */
  #watch(): void {
    this.#cancelWatch = this.#source.clock.after(heartbeatMs, () => {
      const now = this.#source.clock.now()
      if (now - this.#heardAt > heartbeatMs) {
        this.#credit.reset()
        this.#pull()
      }
      const isSilent = now - this.#heardAt > silentMsMax
      const isLagging = this.#position < this.#target && now - this.#movedAt > laggingMsMax
      const isGone = this.#source.broker.readySession !== this.#session
      if (isSilent || isLagging || isGone) this.#end(undefined)
      else this.#watch()
    })
  }

  #end(end: ScanEnd | undefined): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#cancelWatch()
    const { broker, stream, timeoutMs } = this.#source
    if (this.#subscription !== undefined) {
      this.#subscription.unsubscribe()
      const connection = this.#session?.connection
      if (connection !== undefined && broker.readySession === this.#session) {
        const subject = `CONSUMER.DELETE.${stream}.${this.#consumer}`
        void apiRequest(connection, subject, undefined, timeoutMs)
      }
    }
    this.#settle(end)
  }
}
