/** The MessagePack form of the frames: hostile bytes, and what other languages read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { pack, unpack } from 'msgpackr'
import {
  decodeMsgpackFrame,
  encodeMsgpackFrame,
  encodePublicationMsgpack,
} from '../msgpack-codec.js'
import { hex, mutate, text, toHex, utf8 } from './bytes.js'

const type = 'a4 74797065'
const ping = `${type} a4 70696e67`

function message(bytes: Uint8Array): string {
  const result = decodeMsgpackFrame(bytes)
  assert.equal(result.ok, false)
  return result.message
}

test('a frame is a map with string keys (PROTOCOL 4.3)', () => {
  assert.deepEqual(decodeMsgpackFrame(hex(`81 ${ping}`)), { ok: true, frame: { type: 'ping' } })
  const map16 = hex(`de 0002 ${ping} a2 6964 07`)
  assert.deepEqual(decodeMsgpackFrame(map16), { ok: true, frame: { type: 'ping', id: 7 } })
  assert.equal(message(hex('90')), 'a frame must be an object')
  assert.equal(message(hex('c0')), 'a frame must be an object')
  assert.equal(message(hex('c4 01 00')), 'a frame must be an object')
  assert.match(message(hex('81 01 02')), /keys are not strings/)
  assert.match(message(hex('81 90 02')), /keys are not strings/)
})

test('an id may come in any format that holds it (PROTOCOL 4.3)', () => {
  const seven = ['07', 'cc 07', 'cd 0007', 'ce 00000007', 'cf 0000000000000007', 'd0 07', 'd1 0007']
  seven.push('d2 00000007', 'd3 0000000000000007', 'ca 40e00000', 'cb 401c000000000000')
  for (const id of seven) {
    const result = decodeMsgpackFrame(hex(`82 ${ping} a2 6964 ${id}`))
    assert.deepEqual(result, { ok: true, frame: { type: 'ping', id: 7 } }, id)
  }
})

test('an id that is no integer from 0 to 2147483647 is refused (PROTOCOL 4.4)', () => {
  for (const id of [
    'ff',
    'ce 80000000',
    'cf ffffffffffffffff',
    'd3 8000000000000000',
    'ca 3fc00000',
  ]) {
    assert.match(message(hex(`82 ${ping} a2 6964 ${id}`)), /^id must be/, id)
  }
})

test('extension types are refused, whatever a library would make of them (PROTOCOL 4.3)', () => {
  const extensions = {
    record: 'd4 72 40 91 a1 61 01',
    'record of two bytes': 'd5 72 40 00 91 a1 61 01',
    error: 'c7 00 65 92 a5 4572726f72 a1 78',
    'regular expression': 'd4 78 00 92 a1 61 a0',
    set: 'd4 73 00 91 01',
    'typed array': 'c7 05 74 01 01020304',
    'clone id': 'd6 69 00000001 91 d6 70 00000001',
    'clone pointer': 'd6 70 00000001',
    bigint: 'c7 09 42 010000000000000000',
    'bundled strings': 'd6 62 00000004 a1 61 a1 62',
    undefined: 'd4 00 00',
    timestamp: 'd6 ff 00000000',
    'of 16 bits': 'c8 0001 05 00',
    'of 32 bits': 'c9 00000001 05 00',
    'of 16 bytes': `d8 05 ${'00'.repeat(16)}`,
    'the byte that is never used': 'c1',
  }
  for (const [name, bytes] of Object.entries(extensions)) {
    assert.match(message(hex(bytes)), /an extension type/, name)
    assert.match(message(hex(`82 ${ping} a1 78 ${bytes}`)), /an extension type/, name)
  }
})

test('lengths that the bytes do not hold are refused at once (PROTOCOL 4.3)', () => {
  for (const bytes of [
    'dd ffffffff',
    'df ffffffff',
    'db ffffffff',
    'c6 ffffffff',
    'dc ffff 01',
    '',
  ]) {
    assert.match(message(hex(bytes)), /truncated/, bytes)
  }
})

test('a frame truncated anywhere, or followed by a byte, is refused (PROTOCOL 4.3)', () => {
  const frame = hex(
    `84 ${type} a7 7075626c697368 a2 6964 cd 0102 a7 6368616e6e656c a1 61 a4 64617461 c4 02 3130`,
  )
  assert.ok(decodeMsgpackFrame(frame).ok)
  for (let length = 0; length < frame.length; length += 1) {
    assert.match(message(frame.subarray(0, length)), /truncated/, String(length))
  }
  assert.match(message(Uint8Array.of(...frame, 0xc0)), /followed by more bytes/)
})

test('containers nested deeper than 32 are refused (PROTOCOL 4.3)', () => {
  const nested = (depth: number): Uint8Array => hex(`82 ${ping} a1 78 ${'91'.repeat(depth)} c0`)
  assert.ok(decodeMsgpackFrame(nested(31)).ok)
  assert.match(message(nested(32)), /nested deeper than 32/)
  assert.match(message(new Uint8Array(1_000_000).fill(0x91)), /nested deeper than 32/)
})

test('a type inherited through __proto__ does not count (PROTOCOL 4.5)', () => {
  const proto = 'a9 5f5f70726f746f5f5f'
  assert.equal(message(hex(`81 ${proto} 81 ${ping}`)), 'type must be a string')
  assert.equal(({} as { type?: unknown }).type, undefined)
})

test('data is published as the bytes that it holds (PROTOCOL 4.13)', () => {
  const bytes = pack({ type: 'publish', id: 1, channel: 'a', data: utf8('{"n": 1}') })
  const result = decodeMsgpackFrame(bytes)
  bytes.fill(0)
  assert.ok(result.ok && result.frame.type === 'publish')
  assert.equal(text(result.frame.payload), '{"n": 1}')
  assert.equal(result.frame.contentType, undefined)
})

test('data of any other type is refused (PROTOCOL 4.13)', () => {
  for (const data of ['text', 1, null, { a: 1 }, [1]]) {
    assert.equal(
      message(pack({ type: 'publish', id: 1, channel: 'a', data })),
      'data must be binary',
    )
  }
  assert.equal(message(pack({ type: 'publish', id: 1, channel: 'a' })), 'data must be binary')
})

test('a content type may go with data (PROTOCOL 4.13)', () => {
  const frame = { type: 'publish', id: 1, channel: 'a', data: hex('00'), contentType: 'image/png' }
  const result = decodeMsgpackFrame(pack(frame))
  assert.ok(result.ok && result.frame.type === 'publish')
  assert.equal(result.frame.contentType, 'image/png')
  assert.equal(message(pack({ ...frame, contentType: 'png' })), 'contentType is not valid')
})

test('frames of the server are plain maps (PROTOCOL 4.3)', () => {
  const subscribed = encodeMsgpackFrame({ type: 'subscribed', id: 1, channel: 'a' })
  assert.equal(toHex(subscribed), '83a474797065aa73756273637269626564a2696401a76368616e6e656ca161')
})

test('integers beyond 32 bits are 64-bit floats (PROTOCOL 4.3)', () => {
  const frame = encodeMsgpackFrame({ type: 'refreshed', id: 1, expiresAt: 1767225600000 })
  assert.ok(toHex(frame).endsWith('cb4279b76daa800000'))
  assert.deepEqual(unpack(frame), { type: 'refreshed', id: 1, expiresAt: 1767225600000 })
})

test('a publication carries its payload as the last member, in bytes (PROTOCOL 5.4)', () => {
  const bytes = encodePublicationMsgpack({
    channel: 'a.b',
    time: 1767225600000,
    payload: utf8('{"n":1}'),
  })
  const head = '84 a474797065 ab7075626c69636174696f6e a76368616e6e656c a3612e62'
  const tail = 'a474696d65 cb4279b76daa800000 a464617461 c407 7b226e223a317d'
  assert.equal(toHex(bytes), toHex(hex(head + tail)))
})

test('a durable publication has its offset and the one before it (PROTOCOL 5.8)', () => {
  const publication = { channel: 'a', time: 1, payload: utf8('1') }
  const read = (more: object): [string, unknown][] =>
    Object.entries(unpack(encodePublicationMsgpack({ ...publication, ...more })) as object)
  const all = { pattern: 'a.*', offset: 2 ** 53 - 1, previous: 12, sender: 'u', contentType: 'a/b' }
  const names = ['type', 'channel', 'pattern', 'offset', 'previous', 'time', 'sender']
  const members = read(all)
  assert.deepEqual(
    members.map(([name]) => name),
    [...names, 'contentType', 'data'],
  )
  assert.deepEqual(members.slice(3, 5), [
    ['offset', 2 ** 53 - 1],
    ['previous', 12],
  ])
  assert.deepEqual(
    read({ offset: 7, previous: 0 }).map(([name]) => name),
    ['type', 'channel', 'offset', 'time', 'data'],
  )
  const bytes = encodePublicationMsgpack({ ...publication, offset: 2 ** 32, previous: 7 })
  const offsets = 'a66f6666736574 cb41f0000000000000 a870726576696f7573 07'
  assert.ok(toHex(bytes).includes(toHex(hex(offsets))))
})

test('a publication has its content type exactly when it is not JSON (PROTOCOL 5.4)', () => {
  const publication = { channel: 'a', time: 1, payload: utf8('{"n":1}') }
  const read = (more: object): Record<string, unknown> =>
    unpack(encodePublicationMsgpack({ ...publication, ...more })) as Record<string, unknown>
  assert.equal(read({}).contentType, undefined)
  assert.equal(read({ contentType: 'application/json' }).contentType, undefined)
  assert.equal(read({ contentType: 'text/plain' }).contentType, 'text/plain')
  assert.equal(read({ payload: hex('ff') }).contentType, 'application/octet-stream')
})

test('payloads of every size arrive whole (PROTOCOL 5.4)', () => {
  for (const length of [0, 1, 255, 256, 65_535, 65_536, 100_000]) {
    const payload = new Uint8Array(length).fill(7)
    const bytes = encodePublicationMsgpack({
      channel: 'a',
      pattern: 'a.*',
      time: 1,
      sender: 'é',
      contentType: 'x/y',
      payload,
    })
    const { data, ...rest } = unpack(bytes) as { data: Uint8Array }
    const envelope = { channel: 'a', pattern: 'a.*', time: 1, sender: 'é', contentType: 'x/y' }
    assert.deepEqual(rest, { type: 'publication', ...envelope })
    assert.deepEqual(new Uint8Array(data), payload)
  }
})

const valid = [
  { type: 'subscribe', id: 1, channel: 'orders.42', position: { epoch: 'x', list: [1, -1, 1.5] } },
  { type: 'subscribe', id: 1, channel: 'a', position: { epoch: '5f0c3a9be214', offset: 2 ** 40 } },
  { type: 'publish', id: 2, channel: 'a', data: new Uint8Array(20), contentType: 'a/b' },
  { type: 'refresh', id: 70_000, token: 'x'.repeat(300) },
].map((frame) => new Uint8Array(pack(frame)))

test('random bytes and mutated frames give a result, never an exception (PROTOCOL 4.5)', () => {
  const mutation = fc.tuple(fc.nat(400), fc.nat(255))
  const mutated = fc
    .tuple(fc.constantFrom(...valid), fc.array(mutation, { minLength: 1, maxLength: 4 }))
    .map(([frame, changes]) => mutate(frame, changes))
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 64 })), (bytes) => {
      const result = decodeMsgpackFrame(bytes)
      if (!result.ok) assert.ok(result.message.length < 200)
    }),
    { numRuns: 5000 },
  )
})

test('any value without extensions is walked to its end (PROTOCOL 4.3)', () => {
  const anything = fc.dictionary(
    fc.string(),
    fc.oneof(fc.jsonValue(), fc.uint8Array({ maxLength: 300 }), fc.double(), fc.maxSafeInteger()),
  )
  fc.assert(
    fc.property(anything, (members) => {
      const result = decodeMsgpackFrame(pack({ ...members, type: 'ping', id: 5 }))
      assert.deepEqual(result, { ok: true, frame: { type: 'ping', id: 5 } })
    }),
    { numRuns: 500 },
  )
})
