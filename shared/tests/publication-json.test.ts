/** Publications as JSON, and as an event stream carries them: payload bytes are never rewritten. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { eventStreamData } from '../event-stream.js'
import { isJsonPayload } from '../json-payload.js'
import { encodePublicationJson, publicationJsonWithoutType } from '../publication-json.js'
import { hex, text, utf8 } from './bytes.js'

const time = 1767225600000

function encode(payload: Uint8Array, more: object = {}): string {
  return text(encodePublicationJson({ channel: 'a.b', time, payload, ...more }))
}

test('a publication has its members in this order, absent ones left out (PROTOCOL 5.1)', () => {
  const json = encode(utf8('{"price":31.2}'), { pattern: 'a.*', sender: 'u"1' })
  const head = '{"type":"publication","channel":"a.b","pattern":"a.*"'
  assert.equal(json, `${head},"time":${time},"sender":"u\\"1","data":{"price":31.2}}`)
  const bare = encode(utf8('1'), { pattern: undefined, sender: undefined, contentType: undefined })
  assert.equal(bare, `{"type":"publication","channel":"a.b","time":${time},"data":1}`)
})

test('a durable publication has its offset and the one before it (PROTOCOL 5.8)', () => {
  const head = '{"type":"publication","channel":"a.b"'
  const json = encode(utf8('1'), { pattern: 'a.*', offset: 9007199254740991, previous: 12 })
  const offsets = '"offset":9007199254740991,"previous":12'
  assert.equal(json, `${head},"pattern":"a.*",${offsets},"time":${time},"data":1}`)
  const first = encode(utf8('1'), { offset: 7, previous: 0 })
  assert.equal(first, `${head},"offset":7,"time":${time},"data":1}`)
  const ephemeral = encode(utf8('1'), { offset: 0, previous: 0 })
  assert.equal(ephemeral, `${head},"time":${time},"data":1}`)
})

test('a JSON payload arrives byte for byte (PROTOCOL 5.2)', () => {
  const payloads = [
    ' {\n  "b": 12345678901234567890,\r\n "a": 1.0 }\n',
    '"\\u00e9é\\/"',
    'null',
    '1e400',
  ]
  for (const payload of payloads) assert.ok(encode(utf8(payload)).endsWith(`"data":${payload}}`))
  const typed = encode(utf8('[1]'), { contentType: 'Application/JSON; charset=utf-8' })
  assert.ok(typed.endsWith('"data":[1]}'))
})

test('bytes are JSON by their content type and by being it (PROTOCOL 5.2)', () => {
  assert.ok(isJsonPayload(undefined, utf8('{}')))
  assert.ok(isJsonPayload('application/json;x=y', utf8('{}')))
  for (const type of ['text/plain', 'application/jsonp', 'application/ld+json', '']) {
    assert.equal(isJsonPayload(type, utf8('{}')), false, type)
  }
  const notJson = [
    '',
    '7b',
    '7b7d7b',
    'efbbbf7b7d',
    '22ff22',
    '22eda08022',
    '2209 22',
    '7b2c7d',
    '00',
  ]
  for (const bytes of notJson) assert.equal(isJsonPayload(undefined, hex(bytes)), false, bytes)
})

test('a payload that is not JSON is carried as base64 with its type (PROTOCOL 5.3)', () => {
  const head = `{"type":"publication","channel":"a.b","time":${time}`
  const image = encode(hex('ff d8 ff e0'), { contentType: 'image/jpeg' })
  assert.equal(image, `${head},"base64":"/9j/4A==","contentType":"image/jpeg"}`)
  const broken = encode(utf8('{"a":'))
  assert.equal(broken, `${head},"base64":"eyJhIjo=","contentType":"application/octet-stream"}`)
  const claimed = encode(utf8('{'), { contentType: 'application/json' })
  assert.equal(claimed, `${head},"base64":"ew==","contentType":"application/json"}`)
})

test('envelopes of any length and language are whole (PROTOCOL 5.1)', () => {
  for (const length of [0, 1, 2000, 4050, 4090, 4096, 5000, 20_000]) {
    const more = { sender: 'é'.repeat(length), contentType: '…'.repeat(length) }
    const { base64, contentType, sender } = JSON.parse(encode(utf8('hi'), more)) as typeof more & {
      base64: string
    }
    assert.deepEqual({ base64, contentType, sender }, { base64: 'aGk=', ...more })
  }
})

test('base64 of any bytes is what everybody else writes (PROTOCOL 5.3)', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (payload) => {
      const { base64 } = JSON.parse(encode(payload, { contentType: 'a/b' })) as { base64: string }
      assert.equal(base64, Buffer.from(payload).toString('base64'))
    }),
  )
})

test('a JSON payload can never break out of its envelope (PROTOCOL 5.2)', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), fc.string(), (payload, sender) => {
      const bytes = utf8(payload)
      const parsed = JSON.parse(encode(bytes, { sender })) as Record<string, unknown>
      const last = 'data' in parsed ? 'data' : 'contentType'
      assert.equal(Object.keys(parsed).at(-1), last)
      assert.deepEqual([parsed['channel'], parsed['sender']], ['a.b', utf8Safe(sender)])
      if (last === 'data') assert.deepEqual(parsed['data'], JSON.parse(payload))
    }),
    { numRuns: 500 },
  )
})

/** Lone surrogates do not survive UTF-8, escaped or not: JSON.stringify writes them as escapes. */
function utf8Safe(value: string): unknown {
  return JSON.parse(JSON.stringify(value))
}

test('event streams and polls carry the same JSON without type (PROTOCOL 6.3)', () => {
  const encoded = encodePublicationJson({ channel: 'a', time, payload: utf8('[ 1 ]') })
  const bare = publicationJsonWithoutType(encoded)
  assert.equal(text(bare), `{"channel":"a","time":${time},"data":[ 1 ]}`)
  assert.ok(text(encoded).startsWith('{"type":"publication",'))
})

test('each line break begins a further data line (PROTOCOL 6.3)', () => {
  const data = (block: string): string => text(eventStreamData(utf8(block)))
  assert.equal(data('{"a":1}'), 'data: {"a":1}\n\n')
  assert.equal(data('{\n"a":\r\n1\r}'), 'data: {\ndata: "a":\ndata: 1\ndata: }\n\n')
  assert.equal(
    data('1\n\n2\r\r3\n\r4\n'),
    'data: 1\ndata: \ndata: 2\ndata: \ndata: 3\ndata: \ndata: 4\ndata: \n\n',
  )
  assert.equal(data('\r\n\n\r'), 'data: \ndata: \ndata: \ndata: \n\n')
  assert.equal(data(''), 'data: \n\n')
})

test('an EventSource puts the data together again, line breaks as LF (PROTOCOL 6.3)', () => {
  const block = fc.string({ unit: fc.constantFrom('a', 'é', ' ', ':', '\n', '\r', '\r\n') })
  fc.assert(
    fc.property(block, (written) => {
      const lines = text(eventStreamData(utf8(written))).split('\n')
      assert.deepEqual(lines.splice(-2), ['', ''])
      const read = lines.map((line) => line.replace(/^data: /, '')).join('\n')
      assert.equal(read, written.replaceAll(/\r\n|\r/g, '\n'))
      assert.ok(lines.every((line) => line.startsWith('data: ') && !line.includes('\r')))
    }),
  )
})
