/** Direct gets from a stream, as a domain service makes them: one question, many answers. */
import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node'

export interface DirectBatch {
  readonly messages: readonly Msg[]
  /** What is there beyond them. */
  readonly pending: number
}

interface Waiting {
  readonly messages: Msg[]
  resolve(batch: DirectBatch): void
  reject(reason: Error): void
}

const silenceMs = 20_000

export class DirectGets {
  readonly #connection: NatsConnection
  readonly #inbox = `${createInbox()}.`
  readonly #waiting = new Map<string, Waiting>()
  #count = 0

  constructor(connection: NatsConnection) {
    this.#connection = connection
    connection.subscribe(`${this.#inbox}*`, { callback: (_error, message) => this.#take(message) })
  }

  get(stream: string, question: object): Promise<DirectBatch> {
    this.#count += 1
    const token = String(this.#count)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle().reject(new Error('a read had no answer')), silenceMs)
      const settle = (): Waiting => {
        clearTimeout(timer)
        this.#waiting.delete(token)
        return waiting
      }
      const waiting: Waiting = {
        messages: [],
        resolve: (batch) => (settle(), resolve(batch)),
        reject: (reason) => (settle(), reject(reason)),
      }
      this.#waiting.set(token, waiting)
      const reply = this.#inbox + token
      const subject = `$JS.API.DIRECT.GET.${stream}`
      this.#connection.publish(subject, JSON.stringify(question), { reply })
    })
  }

  #take(message: Msg): void {
    const waiting = this.#waiting.get(message.subject.slice(this.#inbox.length))
    if (waiting === undefined) return
    const status = message.headers?.code ?? 0
    if (status === 0) return void waiting.messages.push(message)
    const { messages } = waiting
    if (status === 204) {
      return waiting.resolve({
        messages,
        pending: Number(message.headers?.last('Nats-Num-Pending')),
      })
    }
    if (status === 404) return waiting.resolve({ messages, pending: 0 })
    waiting.reject(new Error(`a read was refused: ${status} ${message.headers?.description ?? ''}`))
  }
}
