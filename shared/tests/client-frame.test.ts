/** The check of a decoded value, apart from any encoding. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readClientFrame } from '../client-frame.js'
import { channelHash, encodeCursor } from '../cursor.js'
import { cursorOf } from '../cursor-positions.js'

const noPayload = (): string => 'no payload'

test('members count only if they are the own members of the frame (PROTOCOL 4.5)', () => {
  const inherited: unknown = Object.create({ type: 'ping', id: 1 })
  const result = readClientFrame(inherited, noPayload)
  assert.deepEqual(result, { ok: false, message: 'type must be a string' })
})

test('any value at all is a frame or a sentence (PROTOCOL 4.5)', () => {
  const type = fc.constantFrom('subscribe', 'unsubscribe', 'publish', 'refresh', 'ping')
  const frame = fc.record(
    {
      type,
      id: fc.oneof(fc.nat(), fc.anything()),
      channel: fc.oneof(fc.constant('a'), fc.anything()),
      token: fc.anything(),
      position: fc.oneof(fc.object(), fc.string(), fc.anything()),
      last: fc.anything(),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.oneof(fc.anything({ withTypedArray: true }), frame), (value) => {
      const result = readClientFrame(value, noPayload)
      if (!result.ok) assert.match(result.message, /^.{5,200}$/su)
    }),
    { numRuns: 2000 },
  )
})

function subscribe(members: object): unknown {
  const frame = { type: 'subscribe', id: 1, channel: 'a.b', ...members }
  const result = readClientFrame(frame, noPayload)
  return result.ok ? result.frame : result.message
}

test('a subscribe frame may show a position, or ask for the newest (PROTOCOL 4.18)', () => {
  const epoch = '5f0c3a9be214'
  const plain = { type: 'subscribe', id: 1, channel: 'a.b' }
  assert.deepEqual(subscribe({}), plain)
  const members = [
    { position: { epoch, offset: 0 } },
    { position: { epoch, offset: 12, time: 1767225600123, verified: 40 } },
    { position: { epoch, offset: 2 ** 53 - 1, time: 0 } },
    { last: 1 },
    { last: 1000, position: { epoch, offset: 1, verified: 0 } },
  ]
  for (const more of members) assert.deepEqual(subscribe(more), { ...plain, ...more })
  const more = { channel: 'a.*', position: { epoch, offset: 3 } }
  assert.deepEqual(subscribe(more), { ...plain, ...more })
})

test('a subscribe frame may show a cursor in place of a position (PROTOCOL 4.18)', () => {
  const ephemeral = { node: '0123456789abcdef', arrival: 300, channels: [channelHash('a.b')] }
  const position = { epoch: '5f0c3a9be214', offset: 12, time: 7 }
  for (const cursor of [{}, { ephemeral }, cursorOf([{ name: 'a.b', position }], ephemeral)]) {
    const frame = { type: 'subscribe', id: 1, channel: 'a.b', position: cursor }
    assert.deepEqual(subscribe({ position: encodeCursor(cursor) }), frame)
  }
  const cursor = encodeCursor({ ephemeral })
  const unreadable = ['', 'x', `${cursor}A`, cursor.slice(1), ` ${cursor}`, 'A'.repeat(4_097)]
  for (const text of unreadable) {
    const sentence = 'position is a string, but no cursor that can be read'
    assert.equal(subscribe({ position: text }), sentence)
  }
})

test('members of a position that nobody knows are ignored (PROTOCOL 1.3)', () => {
  const position = { epoch: '5f0c3a9be214', offset: 3 }
  const frame = subscribe({ position: { ...position, more: [1] } })
  assert.deepEqual(frame, { type: 'subscribe', id: 1, channel: 'a.b', position })
})

test('a position of another shape is refused with what is wrong (PROTOCOL 4.18)', () => {
  const right = { epoch: '5f0c3a9be214', offset: 3 }
  for (const position of [null, 1, [right], new Uint8Array(2)]) {
    assert.equal(subscribe({ position }), 'position must be an object or a cursor')
  }
  for (const epoch of [undefined, 1, '', '5F0C3A9BE214', '5f0c3a9be2', '5f0c3a9be214a', '\n']) {
    const sentence = 'epoch of a position must be 12 lowercase hex digits'
    assert.equal(subscribe({ position: { ...right, epoch } }), sentence)
  }
  const wrong = [null, -1, 1.5, 2 ** 53, Infinity, NaN, '3', [3], {}]
  for (const name of ['offset', 'time', 'verified']) {
    const sentence = `${name} of a position must be an integer from 0 to 2^53 - 1`
    for (const value of wrong) {
      assert.equal(subscribe({ position: { ...right, [name]: value } }), sentence)
    }
  }
  const inherited: unknown = Object.create(right)
  assert.match(String(subscribe({ position: inherited })), /^epoch of a position/)
})

test('last is an integer from 1 to 1000 (PROTOCOL 4.18)', () => {
  for (const last of [0, -1, 1001, 1.5, '3', null, [3], NaN]) {
    assert.equal(subscribe({ last }), 'last must be an integer from 1 to 1000')
  }
})
