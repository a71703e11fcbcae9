/** Reads a request body: bounded in bytes and in time, whatever the client does. */
import type { HttpResponse } from 'uWebSockets.js'
import type { Node } from './node.js'
import type { Problem } from './problem.js'

const bodySecondsMax = 10

export interface BodyReader {
  done(body: Uint8Array): void
  /** The request is over: the connection is to be closed with the answer. */
  failed(problem: Problem): void
}

/**
 * Registers `onData`; the caller's route must not. `onAborted` is registered here too: a client that
 * leaves while it sends is simply forgotten.
 */
export function readBody(node: Node, res: HttpResponse, reader: BodyReader): void {
  const bytesMax = node.settings.frameBytesMax
  let chunks: Uint8Array[] | undefined = []
  let length = 0
  const fail = (problem: Problem): void => {
    if (chunks === undefined) return
    chunks = undefined
    reader.failed(problem)
  }
  res.onAborted(() => {
    chunks = undefined
  })
  res.onData((chunk, isLast) => {
    if (chunks === undefined) return
    length += chunk.byteLength
    if (length > bytesMax) {
      return fail({ code: 'too_large', detail: `A request body has at most ${bytesMax} bytes.` })
    }
    // The engine takes its buffer back when this returns.
    chunks.push(new Uint8Array(chunk.slice(0)))
    if (!isLast) return
    const body = chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks)
    chunks = undefined
    reader.done(body)
  })
  const late = {
    due: (): undefined => {
      const detail = `The request body did not arrive within ${bodySecondsMax} seconds.`
      fail({ code: 'request_timeout', detail })
    },
    leave: (): void => {},
  }
  node.wheel.add(late, node.clock.now() + bodySecondsMax * 1000)
}
