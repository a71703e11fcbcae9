/** The JSON form of the frames, with literal bytes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ServerFrame } from '../frames.js'
import { decodeJsonFrame, decodePublishBody, encodeJsonFrame } from '../json-codec.js'
import { hex, mutate, text, utf8 } from './bytes.js'

function refused(json: string | Uint8Array): { id?: number; message: string } {
  const result = decodeJsonFrame(typeof json === 'string' ? utf8(json) : json)
  assert.equal(result.ok, false)
  const { ok, ...rest } = result
  return rest
}

/** The frame, its payload as text. */
function accepted(json: string): Record<string, unknown> {
  const result = decodeJsonFrame(utf8(json))
  assert.ok(result.ok, result.ok ? '' : result.message)
  const { frame } = result
  return frame.type === 'publish' ? { ...frame, payload: text(frame.payload) } : { ...frame }
}

test('each frame of a client is read (PROTOCOL 4.4)', () => {
  const frames = [
    { type: 'subscribe', id: 0, channel: 'a.b' },
    { type: 'subscribe', id: 1, channel: 'a.*' },
    { type: 'unsubscribe', id: 2147483647, channel: 'a.>' },
    { type: 'refresh', id: 3, token: 'e30.e30.x' },
    { type: 'ping', id: 4 },
    { type: 'ping' },
  ]
  for (const frame of frames) assert.deepEqual(accepted(JSON.stringify(frame)), frame)
})

test('members that nobody knows are ignored (PROTOCOL 1.3)', () => {
  const json = '{"type":"ping","id":1,"position":{"epoch":[[]]},"toString":1,"":null}'
  assert.deepEqual(accepted(json), { type: 'ping', id: 1 })
})

test('what is not UTF-8, has a byte order mark or is not JSON is refused (PROTOCOL 4.2)', () => {
  const notUtf8 = hex('7b 22 74 79 70 65 22 3a 22 ff 22 7d')
  assert.deepEqual(refused(notUtf8), { message: 'the frame is not UTF-8' })
  assert.deepEqual(refused(hex('ef bb bf 7b 7d')), { message: 'the frame is not JSON' })
  for (const json of ['', ' ', '{', '{"type":"ping"}{', "{'type':1}", '{"type":"ping",}', 'NaN']) {
    assert.deepEqual(refused(json), { message: 'the frame is not JSON' }, json)
  }
})

test('JSON that is no object is refused (PROTOCOL 4.5)', () => {
  for (const json of ['[]', 'null', '1', '"ping"', '[{"type":"ping"}]', 'true']) {
    assert.deepEqual(refused(json), { message: 'a frame must be an object' }, json)
  }
})

test('a frame without a known type is refused with its id (PROTOCOL 4.5)', () => {
  assert.deepEqual(refused('{"id":7}'), { id: 7, message: 'type must be a string' })
  assert.deepEqual(refused('{"type":["ping"],"id":7}'), { id: 7, message: 'type must be a string' })
  const unknown = refused('{"type":"toString","id":7}')
  assert.deepEqual(unknown, { id: 7, message: 'unknown frame type "toString"' })
})

test('a type inherited through __proto__ does not count (PROTOCOL 4.5)', () => {
  const message = 'type must be a string'
  assert.deepEqual(refused('{"__proto__":{"type":"ping"}}'), { message })
  assert.deepEqual(refused('{"constructor":{"prototype":{"type":"ping"}}}'), { message })
  assert.equal(({} as { type?: unknown }).type, undefined)
})

test('an id that is no integer from 0 to 2147483647 is refused (PROTOCOL 4.4)', () => {
  for (const id of ['-1', '1.5', '2147483648', '1e400', '"1"', 'null', '[1]', '{}', 'true']) {
    const { message } = refused(`{"type":"ping","id":${id}}`)
    assert.equal(message, 'id must be an integer from 0 to 2147483647', id)
  }
})

test('every frame but ping needs an id (PROTOCOL 4.4)', () => {
  for (const type of ['subscribe', 'unsubscribe', 'publish', 'refresh']) {
    const { message } = refused(`{"type":"${type}","channel":"a","token":"t","data":1}`)
    assert.equal(message, `a ${type} frame needs an id`)
  }
})

test('what is neither channel nor pattern cannot be subscribed (PROTOCOL 4.9)', () => {
  for (const channel of ['"a b"', '""', '"*"', '"a..b"', '"a.>.b"', '1', 'null', '["a"]', '{}']) {
    assert.equal(refused(`{"type":"subscribe","id":1,"channel":${channel}}`).id, 1, channel)
  }
  const { message } = refused('{"type":"subscribe","id":1,"channel":"a b"}')
  assert.equal(message, '"a b" is not a channel or pattern')
})

test('a pattern cannot be published to (PROTOCOL 4.11)', () => {
  const { message } = refused('{"type":"publish","id":1,"channel":"a.*","data":1}')
  assert.equal(message, '"a.*" is not a channel')
})

test('a refusal repeats at most 60 characters of what was sent (PROTOCOL 4.5)', () => {
  const long = 'x'.repeat(5000)
  const frames = [
    `{"type":"${long}"}`,
    `{"type":"subscribe","id":1,"channel":"${long}"}`,
    `{"type":"refresh","id":1,"token":{"${long}":1}}`,
    `{"type":"publish","id":1,"channel":"a","base64":"${long}!"}`,
    `{"type":"publish","id":1,"channel":"a","base64":"","contentType":"${long}"}`,
    `{"type":"ping","${long}`,
  ]
  for (const frame of frames) {
    assert.equal(refused(frame).message.includes('x'.repeat(61)), false)
  }
})

test('data is published byte for byte (PROTOCOL 4.12)', () => {
  const json =
    '{"data": {"b":1,"a":12345678901234567890, "b":2} ,"type":"publish","id":1,"channel":"a.b"}'
  assert.deepEqual(accepted(json), {
    type: 'publish',
    id: 1,
    channel: 'a.b',
    payload: '{"b":1,"a":12345678901234567890, "b":2}',
  })
})

test('a payload may be nested as deep as the frame has room for (PROTOCOL 4.12)', () => {
  const data = '['.repeat(40_000) + ']'.repeat(40_000)
  const frame = accepted(`{"type":"publish","id":1,"channel":"a","data":${data}}`)
  assert.equal(frame['payload'], data)
  assert.deepEqual(refused('['.repeat(1_000_000)), { message: 'the frame is not JSON' })
})

test('base64 is published as bytes with its content type (PROTOCOL 4.12)', () => {
  const result = decodeJsonFrame(
    utf8('{"type":"publish","id":1,"channel":"a","base64":"AP8Q","contentType":"image/png"}'),
  )
  assert.ok(result.ok && result.frame.type === 'publish')
  assert.deepEqual(result.frame.payload, hex('00 ff 10'))
  assert.equal(result.frame.contentType, 'image/png')
})

test('base64 without a content type is application/octet-stream (PROTOCOL 4.12)', () => {
  const frame = accepted('{"type":"publish","id":1,"channel":"a","base64":"MQ=="}')
  assert.equal(frame['contentType'], 'application/octet-stream')
  assert.equal(frame['payload'], '1')
})

test('both, neither, or data with a content type is refused (PROTOCOL 4.12)', () => {
  const wrong = ['"x":1', '"data":1,"base64":"MQ=="', '"data":1,"contentType":"a/b"']
  for (const members of wrong) {
    assert.equal(refused(`{"type":"publish","id":1,"channel":"a",${members}}`).id, 1, members)
  }
})

test('base64 with spaces, missing padding or stray bits is refused (PROTOCOL 4.12)', () => {
  const wrong = ['"MQ"', '"MQ="', '"M Q="', '"MR=="', '"MQ==\\n"', '"_-=="', '"===="', '1', 'null']
  for (const base64 of wrong) {
    const json = `{"type":"publish","id":1,"channel":"a","base64":${base64}}`
    assert.match(refused(json).message, /^(base64 must|either data)/, base64)
  }
})

test('a content type that is no media type is refused (PROTOCOL 4.14)', () => {
  const publish = (contentType: unknown): string =>
    JSON.stringify({ type: 'publish', id: 1, channel: 'a', base64: '', contentType })
  for (const fine of ['a/b', 'application/x+y; charset="utf-8"', `a/${'b'.repeat(254)}`]) {
    assert.equal(accepted(publish(fine))['contentType'], fine)
  }
  for (const wrong of [
    '',
    'a',
    'a/',
    '/b',
    'a/b\r\nX: y',
    'a/b; é',
    'a b/c',
    `a/${'b'.repeat(255)}`,
    1,
  ]) {
    assert.equal(refused(publish(wrong)).message, 'contentType is not valid', String(wrong))
  }
})

test('an idempotency key is 1 to 128 visible ASCII characters (PROTOCOL 4.14)', () => {
  const publish = (idempotencyKey: unknown): string =>
    JSON.stringify({ type: 'publish', id: 1, channel: 'a', idempotencyKey, data: 1 })
  for (const fine of ['k', 'k'.repeat(128)]) {
    assert.equal(accepted(publish(fine))['idempotencyKey'], fine)
  }
  for (const wrong of ['', 'k'.repeat(129), 'a b', 'a\nb', 'é', 1, null, ['k']]) {
    assert.match(refused(publish(wrong)).message, /^idempotencyKey must/)
  }
})

test('a token must be a string (PROTOCOL 3.9)', () => {
  for (const token of ['""', '1', 'null', '{}', '["t"]']) {
    const { message } = refused(`{"type":"refresh","id":1,"token":${token}}`)
    assert.equal(message, 'token must be a string', token)
  }
})

test('what a frame holds outlives its bytes (PROTOCOL 4.12)', () => {
  const bytes = utf8('{"type":"publish","id":1,"channel":"a","data":[1]}')
  const result = decodeJsonFrame(bytes)
  bytes.fill(0)
  assert.ok(result.ok && result.frame.type === 'publish')
  assert.equal(text(result.frame.payload), '[1]')
})

test('the body of a publication over HTTP follows the same rules (PROTOCOL 8.1)', () => {
  const result = decodePublishBody(utf8('{"channel":"a.b", "data" : 1.0 ,"idempotencyKey":"k"}'))
  assert.ok(result.ok)
  const { payload, ...rest } = result.request
  assert.deepEqual(rest, { channel: 'a.b', idempotencyKey: 'k' })
  assert.equal(text(payload), '1.0')
})

test('a body that is not JSON of the right shape is refused (PROTOCOL 8.2)', () => {
  const messages = {
    '': 'the body is not JSON',
    '[]': 'the body must be an object',
    '{"data":1}': 'channel must be a string',
    '{"channel":"a.*","data":1}': '"a.*" is not a channel',
    '{"channel":"a"}': 'either data or base64 is required',
  }
  for (const [body, message] of Object.entries(messages)) {
    assert.deepEqual(decodePublishBody(utf8(body)), { ok: false, message })
  }
})

test('frames of the server are written as one JSON object (PROTOCOL 4.6)', () => {
  const frame = { type: 'error', id: 3, code: 'forbidden', message: 'no "x"' } as const
  const json = '{"type":"error","id":3,"code":"forbidden","message":"no \\"x\\""}'
  assert.equal(text(encodeJsonFrame(frame)), json)
  assert.equal(text(encodeJsonFrame({ type: 'pong' })), '{"type":"pong"}')
})

test('frames of durable channels have the members of the text (PROTOCOL 5.9)', () => {
  const epoch = '5f0c3a9be214'
  const position = { epoch, offset: 40, time: 1767225600123, verified: 57 }
  const written: [ServerFrame, string][] = [
    [
      { type: 'subscribed', id: 1, channel: 'a', ...position, recovered: true },
      `{"type":"subscribed","id":1,"channel":"a","epoch":"${epoch}","offset":40,` +
        '"time":1767225600123,"verified":57,"recovered":true}',
    ],
    [{ type: 'published', id: 3, offset: 41 }, '{"type":"published","id":3,"offset":41}'],
    [{ type: 'ended', channel: 'a' }, '{"type":"ended","channel":"a"}'],
    [
      { type: 'gap', channel: 'a', after: 12, before: 40, reason: 'expired' },
      '{"type":"gap","channel":"a","after":12,"before":40,"reason":"expired"}',
    ],
    [
      { type: 'heartbeat', verified: { orders: { epoch, offset: 57 } } },
      `{"type":"heartbeat","verified":{"orders":{"epoch":"${epoch}","offset":57}}}`,
    ],
  ]
  for (const [frame, json] of written) assert.equal(text(encodeJsonFrame(frame)), json)
})

const valid = [
  '{"type":"subscribe","id":1,"channel":"a","position":{"epoch":"5f0c3a9be214","offset":3}}',
  '{"type":"subscribe","id":1,"channel":"orders.42"}',
  '{"type":"publish","id":2,"channel":"a","data":{"n":[1,"\\u00e9é",null]},"idempotencyKey":"k"}',
  '{"type":"publish","id":3,"channel":"a","base64":"AAEC","contentType":"a/b"}',
  '{"type":"refresh","id":4,"token":"e30.e30.x"}',
]

test('random bytes and mutated frames give a result, never an exception (PROTOCOL 4.5)', () => {
  const mutation = fc.tuple(fc.nat(200), fc.oneof(fc.nat(255), fc.constantFrom(0x22, 0x5c, 0x7d)))
  const mutated = fc
    .tuple(fc.constantFrom(...valid), fc.array(mutation, { minLength: 1, maxLength: 4 }))
    .map(([frame, changes]) => mutate(utf8(frame), changes))
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 64 })), (bytes) => {
      const result = decodeJsonFrame(bytes)
      if (!result.ok) assert.ok(result.message.length < 200)
      else if (result.frame.type === 'publish' && result.frame.contentType === undefined) {
        JSON.parse(text(result.frame.payload))
      }
    }),
    { numRuns: 5000 },
  )
})

test('a payload is its own bytes, also of a body that is a Buffer', () => {
  const body = Buffer.from('{"channel":"a","data":[1,2,3]}')
  const result = decodePublishBody(body)
  assert.ok(result.ok)
  const { payload } = result.request
  body.fill(0)
  assert.equal(text(payload), '[1,2,3]')
  assert.equal(payload.buffer.byteLength, payload.length)
})
