/** The fixed pieces of an event stream's text (HTML Living Standard 9.2, PROTOCOL 6). */

const encoder = new TextEncoder()
const retryMsMin = 1000
const retryMsSpread = 9000

/** How long an `EventSource` waits before it comes back; its own for each connection. */
export function retryLine(random: () => number): string {
  return `retry: ${retryMsMin + Math.floor(random() * retryMsSpread)}\n`
}

/** `json` is written by us and has no line breaks; `before` are whole lines of other fields. */
export function namedEvent(name: string, json: string, before = ''): Uint8Array {
  return encoder.encode(`${before}event: ${name}\ndata: ${json}\n\n`)
}

export function idLine(cursor: string): string {
  return `id: ${cursor}\n`
}

/** A bare `id:` line: the newest cursor and a sign of life, without an event for the page. */
export function blankEvent(cursor: string): Uint8Array {
  return encoder.encode(`${idLine(cursor)}\n`)
}
