/** Payloads that break gateways which parse what they carry. */

export interface Payload {
  readonly name: string
  readonly bytes: Buffer
  /** Absent: published without a content type. */
  readonly contentType?: string
  /** Whether clients get it as `data` (PROTOCOL 5.2). */
  readonly isJson: boolean
}

function json(name: string, text: string, contentType?: string): Payload {
  const payload = { name, bytes: Buffer.from(text), isJson: true }
  return contentType === undefined ? payload : { ...payload, contentType }
}

function other(name: string, bytes: string | Buffer, contentType?: string): Payload {
  const payload = { name, bytes: Buffer.from(bytes as string), isJson: false }
  return contentType === undefined ? payload : { ...payload, contentType }
}

export const jsonPayloads: readonly Payload[] = [
  json(
    'large integers',
    '{"id":12345678901234567890123,"f":1.0000000000000000000001e400,"z":-0.0}',
  ),
  json('the order of keys, and one twice', '{"b":1,"a":2,"10":3,"9":4,"b":5,"__proto__":{}}'),
  json('pretty-printed with LF', JSON.stringify({ a: [1, { b: null }], c: 'd' }, null, 2)),
  json('pretty-printed with CR LF', '{\r\n  "a": 1\r\n}'),
  json('pretty-printed with CR', '{\r"a": 1\r}'),
  json('UTF-8 of 2, 3 and 4 bytes', '{"é":"水 𝒳 😀 \u2028\u2029 \ufeff"}'),
  json('escapes', String.raw`{"\u0061\n":"\ud800 \/ \u0000 \\ \" \uD83D\uDE00"}`),
  json('60 KB', `{"fill":"${'x'.repeat(60 * 1024)}"}`),
  json('a string', '"a, \\"b\\", }],"'),
  json('null', 'null'),
  json('looks like a publication', '{"type":"publication","data":1,"base64":"AA=="}'),
  json('deep nesting', '['.repeat(1000) + ']'.repeat(1000)),
  json('with its content type', '{"a":1}', 'application/json'),
  json('with parameters', '{"a":1}', 'application/json; charset=utf-8'),
]

export const otherPayloads: readonly Payload[] = [
  other('text', 'hello {', 'text/plain'),
  other('text that is JSON', '42', 'text/plain'),
  other('JSON that says it is bytes', '{"a":1}', 'application/octet-stream'),
  other('not JSON that says it is', '{"a":', 'application/json'),
  other('not UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x00, 0x22]), 'application/json'),
  other('an overlong form of UTF-8', Buffer.from([0x22, 0xc0, 0xaf, 0x22]), 'application/json'),
  other('a byte order mark', '\ufeff{"a":1}', 'application/json'),
  other('all bytes', Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)), 'image/png'),
  other('nothing at all', '', 'text/plain'),
]

/** What only a NATS client can publish: without a content type, or with white space around. */
export const serviceOnlyPayloads: readonly Payload[] = [
  other('not JSON, of no type', 'hello {'),
  other('not UTF-8, of no type', Buffer.from([0xc3, 0x28])),
  other('nothing, of no type', ''),
  json('white space around it', ' \n{"a":1}\t\r\n '),
]
