/** What JetStream writes into the headers of a publication that it republishes. */
import type { BrokerMessage } from './broker.js'

export interface LiveHeaders {
  readonly offset: number
  /** The offset before it in its channel when it was stored; 0: none was kept. */
  readonly previous: number
  /** When it was stored, in ms since 1970. */
  readonly time: number
}

/** Undefined: no stream has republished it. A forged header is never the last of its name. */
export function readLiveHeaders(message: BrokerMessage): LiveHeaders | undefined {
  const offset = wholeNumber(message.header('Nats-Sequence'))
  const previous = wholeNumber(message.header('Nats-Last-Sequence'))
  const time = Date.parse(message.header('Nats-Time-Stamp') ?? '')
  if (offset === undefined || offset === 0 || previous === undefined) return undefined
  return Number.isNaN(time) ? undefined : { offset, previous, time }
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : undefined
}
