/** A publication as JSON: the payload's bytes spliced into the envelope, never rewritten. */
import { encodeBase64 } from './base64.js'
import { defaultContentType, isJsonPayload } from './json-payload.js'

/** What the encoders need of a publication. */
export interface EncodablePublication {
  readonly channel: string
  readonly pattern?: string | undefined
  /** Its place in the history. Absent or 0: it is ephemeral. */
  readonly offset?: number | undefined
  /** The offset before it in its channel. Absent or 0: none. */
  readonly previous?: number | undefined
  /** ms since 1970. */
  readonly time: number
  readonly sender?: string | undefined
  /** Absent: JSON, unless it turns out not to be. */
  readonly contentType?: string | undefined
  readonly payload: Uint8Array
}

const encoder = new TextEncoder()
/** Room for the envelope of one publication: an allocation costs more than all the rest. */
const scratch = new Uint8Array(4096)
const openBrace = 0x7b
const typeMember = '"type":"publication",'

/** The `publication` frame (PROTOCOL 5). `data` or `base64` with `contentType` come last. */
export function encodePublicationJson(publication: EncodablePublication): Uint8Array {
  const { channel, pattern, time, sender, contentType, payload } = publication
  const { offset = 0, previous = 0 } = publication
  let head = `{${typeMember}"channel":${JSON.stringify(channel)}`
  if (pattern !== undefined) head += `,"pattern":${JSON.stringify(pattern)}`
  if (offset > 0) head += `,"offset":${offset}`
  if (previous > 0) head += `,"previous":${previous}`
  head += `,"time":${time}`
  if (sender !== undefined) head += `,"sender":${JSON.stringify(sender)}`
  if (isJsonPayload(contentType, payload)) return splice(`${head},"data":`, payload, '}')
  const tail = `","contentType":${JSON.stringify(contentType ?? defaultContentType)}}`
  return splice(`${head},"base64":"`, encodeBase64(payload), tail)
}

/** The same JSON without `type`, as event streams and polls carry it: one copy, nothing encoded. */
export function publicationJsonWithoutType(encoded: Uint8Array): Uint8Array {
  const rest = encoded.slice(typeMember.length)
  rest[0] = openBrace
  return rest
}

function splice(head: string, middle: Uint8Array, tail: string): Uint8Array {
  const headBytes = encodeAt(0, head)
  const tailBytes = encodeAt(headBytes.length, tail)
  const out = new Uint8Array(headBytes.length + middle.length + tailBytes.length)
  out.set(headBytes)
  out.set(middle, headBytes.length)
  out.set(tailBytes, headBytes.length + middle.length)
  return out
}

/** The bytes of the text, in `scratch` from there on if they fit. */
function encodeAt(from: number, text: string): Uint8Array {
  const room = scratch.subarray(from)
  const { read, written } = encoder.encodeInto(text, room)
  return read === text.length ? room.subarray(0, written) : encoder.encode(text)
}
