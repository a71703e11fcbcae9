/** What a header of the broker can carry unchanged: the rule for senders and content types. */

// Control characters would end the header, lone surrogates have no UTF-8, and brokers trim spaces.
const unfit = /[\p{Cc}\p{Cs}]|^\s|\s$/u

/** Checked on the way out, so that a sender arrives as exactly the one who sent, or not at all. */
export function isHeaderValue(text: string): boolean {
  return text.length > 0 && !unfit.test(text)
}
