/** One publication as a line for people: time, channel, sender, and the payload as it was sent. */
import type { PublicationFrame } from '../shared/frames.js'

/** `json` is the gateway's, in one line; `frame` is what a parser makes of it. */
export function publicationLine(
  json: string,
  frame: Omit<PublicationFrame, 'type'> = parsePublication(json),
): string {
  const time = new Date(frame.time).toISOString()
  const sender = frame.sender === undefined ? '' : ` <${frame.sender}>`
  return printable(`${time} ${frame.channel}${sender} ${payloadOf(json, frame)}`)
}

export function parsePublication(json: string): Omit<PublicationFrame, 'type'> {
  return JSON.parse(json) as Omit<PublicationFrame, 'type'>
}

/**
 * Cut out of the text, as it was sent: a parser would round large integers. `data` is the last
 * member, and the texts before it have their quotes escaped, so its name stands there once.
 */
function payloadOf(json: string, frame: Omit<PublicationFrame, 'type'>): string {
  if (frame.base64 === undefined) {
    const at = json.indexOf(',"data":')
    return at === -1 ? '' : json.slice(at + ',"data":'.length, json.lastIndexOf('}'))
  }
  const bytes = Buffer.from(frame.base64, 'base64')
  if (frame.contentType?.startsWith('text/') === true) return bytes.toString('utf8')
  return `${frame.contentType ?? 'application/octet-stream'} ${frame.base64}`
}

/** What others publish must not move the cursor of this terminal. */
function printable(line: string): string {
  return line.replace(/[\x00-\x1f\x7f-\x9f]/g, ' ')
}
