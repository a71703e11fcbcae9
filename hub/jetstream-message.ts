/** A stored publication out of what JetStream sends: by a direct get, or by a consumer. */
import type { StoredPublication } from './history.js'
import { channelOf } from './history-layout.js'
import type { NatsMessage } from './nats-message.js'
import { timeOfStamp } from './time-stamp.js'

/** In the order of offsets, and with the place that the server itself named. */
export interface Placed {
  readonly offset: number
  /** Undefined: its subject is no channel. Anybody may publish there; nobody can subscribe. */
  readonly publication: StoredPublication | undefined
}

/** Undefined: the message is a status. Headers after the publisher's own count: the last ones. */
export function placedOfDirectGet(message: NatsMessage, prefix: string): Placed | undefined {
  const offset = Number(message.header('Nats-Sequence'))
  const time = timeOfStamp(message.header('Nats-Time-Stamp'))
  const subject = message.header('Nats-Subject')
  if (!(offset > 0) || time === undefined || subject === undefined) return undefined
  return { offset, publication: publicationOf(message, subject, prefix, offset, time) }
}

export interface Delivered extends Placed {
  /** Counts what the consumer has sent, without holes: one that shows is a loss on the way. */
  readonly consumerSequence: number
  /** What the consumer still has to send. */
  readonly pending: number
}

/**
 * The reply subject has it all:
 * `$JS.ACK[.<domain>.<account>].<stream>.<consumer>.<deliveries>.<sequence>.<consumer sequence>.
 * <time>.<pending>[.<more>]`.
 */
export function deliveredOf(message: NatsMessage, prefix: string): Delivered | undefined {
  const tokens = message.reply.split('.')
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK') return undefined
  const at = tokens.length === 9 ? 5 : 7
  const offset = Number(tokens[at])
  const consumerSequence = Number(tokens[at + 1])
  // ns; a number would round them.
  const time = Number(tokens[at + 2]?.slice(0, -6))
  const pending = Number(tokens[at + 3])
  if (![offset, consumerSequence, time, pending].every(Number.isInteger)) return undefined
  const publication = publicationOf(message, message.subject, prefix, offset, time)
  return { offset, consumerSequence, pending, publication }
}

function publicationOf(
  message: NatsMessage,
  subject: string,
  prefix: string,
  offset: number,
  time: number,
): StoredPublication | undefined {
  const channel = channelOf(subject, prefix)
  if (channel === undefined) return undefined
  return {
    channel,
    offset,
    time,
    sender: message.header('Tidegate-Sender'),
    contentType: message.header('Content-Type'),
    isEnd: message.header('Tidegate-End') === '1',
    payload: new Uint8Array(message.payload),
  }
}
