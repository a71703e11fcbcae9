/** Which payloads travel as JSON, and which as bytes beside their content type (PROTOCOL 5). */

/** What a payload is called that is not JSON and came without a content type. */
export const defaultContentType = 'application/octet-stream'

// A leading BOM is kept, so that JSON.parse refuses it (RFC 8259, section 8.1).
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const jsonContentType = /^[ \t]*application\/json[ \t]*(?:;|$)/i

/** Whether the payload may be spliced into a JSON text. An absent content type means JSON. */
export function isJsonPayload(contentType: string | undefined, payload: Uint8Array): boolean {
  if (contentType !== undefined && !jsonContentType.test(contentType)) return false
  return parseJson(payload).ok
}

export type JsonResult =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string }

/** The value of strict UTF-8 JSON. The message never quotes the input. */
export function parseJson(bytes: Uint8Array): JsonResult {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return { ok: false, message: 'not UTF-8' }
  }
  try {
    return { ok: true, value: JSON.parse(text) }
  } catch {
    return { ok: false, message: 'not JSON' }
  }
}
