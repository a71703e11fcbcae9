/** Direct gets: requests to any replica of a stream, answered by many messages into one inbox. */
import { createInbox, type NatsConnection } from '@nats-io/transport-node'
import type { BrokerSubscription } from './broker.js'
import type { Clock } from './clock.js'
import type { StoredPublication } from './history.js'
import type { Json } from './jetstream-api.js'
import { placedOfDirectGet } from './jetstream-message.js'
import type { NatsBroker } from './nats-broker.js'
import type { NatsMessage } from './nats-message.js'

/** Unanswered at a time; the next one is refused. */
const requestsMax = 1_024

/** Undefined in its place: no answer could be had, or a part of it is missing. */
export type DirectAnswer =
  | {
      readonly type: 'page'
      readonly publications: readonly StoredPublication[]
      /** The offset of the last message, one with no publication too. */
      readonly last: number
      /** What the replica has beyond them that was asked for. */
      readonly pending: number
      /** The replica's newest offset. Only `multi_last` tells. */
      readonly upTo: number | undefined
    }
  /** The replica has nothing of what was asked for, and does not say as of when. */
  | { readonly type: 'none' }
  /** More than 1,024 subjects match. */
  | { readonly type: 'too_many' }

interface Request {
  readonly publications: StoredPublication[]
  last: number
  pending: number | undefined
  readonly settle: (answer: DirectAnswer | undefined) => void
}

export class DirectGets {
  readonly #broker: NatsBroker
  readonly #clock: Clock
  readonly #prefix: string
  readonly #timeoutMs: number
  readonly #inbox: string
  readonly #subscription: BrokerSubscription
  readonly #requests = new Map<string, Request>()
  #count = 0

  /** `prefix`: what a subject has before the channel. */
  constructor(broker: NatsBroker, clock: Clock, prefix: string, timeoutMs: number) {
    this.#broker = broker
    this.#clock = clock
    this.#prefix = prefix
    this.#timeoutMs = timeoutMs
    this.#inbox = `${createInbox()}.`
    this.#subscription = broker.subscribe(`${this.#inbox}*`, (message) => this.#receive(message))
  }

  /** Never rejects. `question` names what is wanted, with `batch` and `max_bytes`. */
  get(stream: string, question: Json): Promise<DirectAnswer | undefined> {
    const connection = this.#broker.readySession?.connection
    if (connection === undefined || this.#requests.size >= requestsMax) {
      return Promise.resolve(undefined)
    }
    this.#count += 1
    const token = String(this.#count)
    return new Promise((resolve) => {
      const cancel = this.#clock.after(this.#timeoutMs, () => settle(undefined))
      const settle = (answer: DirectAnswer | undefined): void => {
        cancel()
        this.#requests.delete(token)
        resolve(answer)
      }
      this.#requests.set(token, { publications: [], last: 0, pending: undefined, settle })
      if (!this.#send(connection, stream, question, token)) settle(undefined)
    })
  }

  /** The connection ended: what it was to answer never comes. */
  failAll(): void {
    for (const { settle } of [...this.#requests.values()]) settle(undefined)
  }

  close(): void {
    this.#subscription.unsubscribe()
    this.failAll()
  }

  #send(connection: NatsConnection, stream: string, question: Json, token: string): boolean {
    const subject = `$JS.API.DIRECT.GET.${stream}`
    try {
      connection.publish(subject, JSON.stringify(question), { reply: this.#inbox + token })
      return true
    } catch {
      return false
    }
  }

  #receive(message: NatsMessage): void {
    const request = this.#requests.get(message.subject.slice(this.#inbox.length))
    if (request === undefined) return
    const placed = placedOfDirectGet(message, this.#prefix)
    if (placed === undefined) return request.settle(this.#end(request, message))
    const pending = countOf(message.header('Nats-Num-Pending'))
    // Servers before 2.11 know no batches; and each message names the one before it.
    const isNext = countOf(message.header('Nats-Last-Sequence')) === request.last
    if (pending === undefined || !isNext) return request.settle(undefined)
    request.last = placed.offset
    request.pending = pending
    if (placed.publication !== undefined) request.publications.push(placed.publication)
  }

  #end(request: Request, message: NatsMessage): DirectAnswer | undefined {
    switch (message.status) {
      case 204:
        return this.#page(request, message)
      case 404:
        return { type: 'none' }
      case 413:
        return { type: 'too_many' }
      default:
        return undefined
    }
  }

  #page(request: Request, message: NatsMessage): DirectAnswer | undefined {
    const { publications, last } = request
    const pending = countOf(message.header('Nats-Num-Pending'))
    const isWhole =
      pending !== undefined &&
      pending === (request.pending ?? pending) &&
      countOf(message.header('Nats-Last-Sequence')) === last
    if (!isWhole) return undefined
    const upTo = countOf(message.header('Nats-UpTo-Sequence'))
    return { type: 'page', publications, last, pending, upTo }
  }
}

function countOf(text: string | undefined): number | undefined {
  const count = text === undefined ? NaN : Number(text)
  return Number.isSafeInteger(count) && count >= 0 ? count : undefined
}
