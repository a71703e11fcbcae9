/** What a header of the broker can carry unchanged: the rule for senders and content types. */
import type { BrokerMessage } from './broker.js'

const headerLengthMax = 256

// Control characters would end the header, lone surrogates have no UTF-8, and brokers trim spaces.
const unfit = /[\p{Cc}\p{Cs}]|^\s|\s$/u

/** Checked on the way out, so that a sender arrives as exactly the one who sent, or not at all. */
export function isHeaderValue(text: string): boolean {
  return text.length > 0 && !unfit.test(text)
}

/** A sender or content type that goes out. */
export function isCarriable(value: string): boolean {
  return value.length <= headerLengthMax && isHeaderValue(value)
}

/** One that came in; too long, it counts as absent. */
export function boundedHeader(message: BrokerMessage, name: string): string | undefined {
  const value = message.header(name)
  return value === undefined || value.length > headerLengthMax ? undefined : value
}
