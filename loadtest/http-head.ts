/** The head of an HTTP/1.1 response, as far as the load client needs it. */

export interface HttpHead {
  readonly status: number
  /** Undefined: the body is chunked, or there is none. */
  readonly contentLength: number | undefined
  /** Length of the head itself, with the empty line. */
  readonly bytes: number
}

const headBytesMax = 16_384

/** Undefined as long as the empty line has not come. */
export function readHead(bytes: Buffer): HttpHead | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) {
    if (bytes.length > headBytesMax) throw new Error('an HTTP head that does not end')
    return undefined
  }
  const text = bytes.toString('latin1', 0, end)
  const status = /^HTTP\/1\.1 (\d{3})/.exec(text)
  if (status === null) throw new Error(`not an HTTP response: ${JSON.stringify(text.slice(0, 80))}`)
  const length = /\r\ncontent-length: *(\d+)/i.exec(text)
  return {
    status: Number(status[1]),
    contentLength: length === null ? undefined : Number(length[1]),
    bytes: end + 4,
  }
}
