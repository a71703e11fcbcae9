/** The pieces of an event stream's text (HTML Living Standard 9.2, PROTOCOL 6). */
import { eventStreamData } from '../shared/event-stream.js'
import { publicationJsonWithoutType } from '../shared/publication-json.js'
import type { Publication } from '../hub/publication.js'
import { publicationJson } from './wire-format.js'

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

/** The lines after `id:`, and the end of the event: encoded once for all streams. */
export function publicationLines(publication: Publication): Uint8Array {
  return (publication.encoded[2] ??= eventStreamData(
    publicationJsonWithoutType(publicationJson(publication)),
  ))
}
