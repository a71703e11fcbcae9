/** Finds the bytes of one member's value in a JSON object, so that they are never written again. */

const decoder = new TextDecoder()
const quote = 0x22
const comma = 0x2c
const colon = 0x3a
const backslash = 0x5c
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/**
 * The value of the top-level member `name`, as a view without the white space around it. `json`
 * must be an object that JSON.parse has accepted: this only walks it. Of duplicate members the last
 * counts, as it does for JSON.parse; a key may be written with escapes (RFC 8259, section 7).
 */
export function rawMember(json: Uint8Array, name: string): Uint8Array | undefined {
  let found: Uint8Array | undefined
  let at = skipSpace(json, skipSpace(json, 0) + 1)
  while (json[at] === quote) {
    const keyEnd = skipString(json, at)
    const isWanted = keyOf(json.subarray(at, keyEnd)) === name
    const start = skipSpace(json, skipPast(json, keyEnd, colon))
    const end = skipValue(json, start)
    if (isWanted) found = json.subarray(start, end)
    at = skipSpace(json, skipPast(json, end, comma))
  }
  return found
}

function keyOf(quoted: Uint8Array): unknown {
  return JSON.parse(decoder.decode(quoted))
}

function skipSpace(json: Uint8Array, from: number): number {
  let at = from
  while (isSpace(json[at])) at += 1
  return at
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

/** Past white space and one mark, if the mark is there. */
function skipPast(json: Uint8Array, from: number, mark: number): number {
  const at = skipSpace(json, from)
  return json[at] === mark ? at + 1 : at
}

/** `from` is the opening quote; the answer is the place after the closing one. */
function skipString(json: Uint8Array, from: number): number {
  let at = from + 1
  while (at < json.length && json[at] !== quote) at += json[at] === backslash ? 2 : 1
  return at + 1
}

function skipValue(json: Uint8Array, from: number): number {
  const first = json[from]
  if (first === quote) return skipString(json, from)
  return first === openBrace || first === openBracket
    ? skipNested(json, from)
    : skipLiteral(json, from)
}

/** Past an object or array. A loop, not a recursion: the depth is the client's choice. */
function skipNested(json: Uint8Array, from: number): number {
  let depth = 0
  let at = from
  do {
    const byte = json[at]
    if (byte === quote) {
      at = skipString(json, at)
      continue
    }
    if (byte === openBrace || byte === openBracket) depth += 1
    else if (byte === closeBrace || byte === closeBracket) depth -= 1
    at += 1
  } while (depth > 0 && at < json.length)
  return at
}

/** Past a number, `true`, `false` or `null`. */
function skipLiteral(json: Uint8Array, from: number): number {
  let at = from
  while (at < json.length && json[at] !== comma && json[at] !== closeBrace && !isSpace(json[at])) {
    at += 1
  }
  return at
}
