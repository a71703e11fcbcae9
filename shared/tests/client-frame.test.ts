/** The check of a decoded value, apart from any encoding. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readClientFrame } from '../client-frame.js'

const noPayload = (): string => 'no payload'

test('members count only if they are the own members of the frame (PROTOCOL 4.5)', () => {
  const inherited: unknown = Object.create({ type: 'ping', id: 1 })
  const result = readClientFrame(inherited, noPayload)
  assert.deepEqual(result, { ok: false, message: 'type must be a string' })
})

test('any value at all is a frame or a sentence (PROTOCOL 4.5)', () => {
  const type = fc.constantFrom('subscribe', 'unsubscribe', 'publish', 'refresh', 'ping')
  const frame = fc.record(
    { type, id: fc.anything(), channel: fc.anything(), token: fc.anything() },
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
