/** The `data:` lines of an event (HTML Living Standard, section 9.2) for given bytes. */

const lineFeed = 0x0a
const carriageReturn = 0x0d
const dataField = new TextEncoder().encode('data: ')

/**
 * One `data:` line for each line of `bytes`, and the blank line that ends the event. The client
 * joins them with LF: a CR or CRLF of pretty-printed JSON arrives as LF, which means the same.
 */
export function eventStreamData(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(dataField.length + joinedLength(bytes) + 2)
  out.set(dataField)
  const end = copyLines(bytes, out, dataField.length)
  out[end] = lineFeed
  out[end + 1] = lineFeed
  return out
}

function isLineBreak(byte: number | undefined): boolean {
  return byte === lineFeed || byte === carriageReturn
}

function isPair(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === carriageReturn && bytes[at + 1] === lineFeed
}

/** Every line break becomes a LF and the beginning of the next line. */
function joinedLength(bytes: Uint8Array): number {
  let length = bytes.length
  for (let at = 0; at < bytes.length; at += 1) {
    if (!isLineBreak(bytes[at])) continue
    length += dataField.length
    // A CRLF is counted at its LF alone.
    if (isPair(bytes, at)) length -= dataField.length + 1
  }
  return length
}

/** Byte by byte: of a payload that is all line breaks, one object for each would be too many. */
function copyLines(bytes: Uint8Array, out: Uint8Array, start: number): number {
  let to = start
  for (let at = 0; at < bytes.length; at += 1) {
    if (!isLineBreak(bytes[at])) {
      out[to] = bytes[at] as number
      to += 1
    } else if (!isPair(bytes, at)) {
      out[to] = lineFeed
      out.set(dataField, to + 1)
      to += 1 + dataField.length
    }
  }
  return to
}
