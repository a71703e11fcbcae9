/** `data:` lines of an event stream (HTML Living Standard, section 9.2) for given bytes. */

const encoder = new TextEncoder()
const lineFeed = 0x0a
const carriageReturn = 0x0d
const dataField = encoder.encode('data: ')

/**
 * One `data:` line for each line of `bytes`, the last one ended too. The client joins them with LF:
 * a CR or CRLF of pretty-printed JSON arrives as LF, which means the same in JSON.
 */
export function eventStreamData(bytes: Uint8Array): Uint8Array {
  const lines = splitLines(bytes)
  let length = 0
  for (const line of lines) length += dataField.length + line.length + 1
  const out = new Uint8Array(length)
  let at = 0
  for (const line of lines) {
    out.set(dataField, at)
    out.set(line, at + dataField.length)
    at += dataField.length + line.length
    out[at] = lineFeed
    at += 1
  }
  return out
}

function splitLines(bytes: Uint8Array): readonly Uint8Array[] {
  if (!bytes.includes(lineFeed) && !bytes.includes(carriageReturn)) return [bytes]
  const lines: Uint8Array[] = []
  let start = 0
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at] !== lineFeed && bytes[at] !== carriageReturn) continue
    lines.push(bytes.subarray(start, at))
    if (bytes[at] === carriageReturn && bytes[at + 1] === lineFeed) at += 1
    start = at + 1
  }
  lines.push(bytes.subarray(start))
  return lines
}
