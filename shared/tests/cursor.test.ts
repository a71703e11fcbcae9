/** Cursors: short, opaque, and never misread. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { crc32 } from '../crc32.js'
import { channelHash, decodeCursor, encodeCursor, type EphemeralPosition } from '../cursor.js'
import { varint } from '../varint.js'
import { hex, toHex } from './bytes.js'

const node = '0123456789abcdef'

/** A cursor over the given bytes with the right checksum. */
function cursorOf(digits: string): string {
  const bytes = hex(digits)
  const checksum = crc32(bytes).toString(16).padStart(8, '0')
  return Buffer.from(toHex(bytes) + checksum, 'hex').toString('base64url')
}

test('the cursor of PROTOCOL.md is written and read (PROTOCOL 13.2)', () => {
  const ephemeral = { node, arrival: 300, channels: [channelHash('stocks.MSFT')] }
  const text = 'AQENASNFZ4mrze-sAkb3Q8InPbI'
  assert.equal(encodeCursor({ ephemeral }), text)
  assert.equal(cursorOf('01 01 0d 0123456789abcdef ac02 46f743'), text)
  assert.deepEqual(decodeCursor(text), { ephemeral })
})

test('a cursor without positions is a cursor (PROTOCOL 13.1)', () => {
  assert.deepEqual(decodeCursor(encodeCursor({})), {})
  assert.equal(encodeCursor({}), cursorOf('01'))
})

test('the checksum is that of gzip (PROTOCOL 13.1)', () => {
  assert.equal(crc32(new TextEncoder().encode('123456789')), 0xcbf43926)
})

test('the hash of a name is FNV-1a folded to 24 bits (PROTOCOL 13.3)', () => {
  assert.equal(channelHash('a'), 0x0c29c8)
  assert.equal(channelHash('stocks.MSFT'), 0x46f743)
})

test('a cursor over 16 channels has fewer than 100 characters (PROTOCOL 13.4)', () => {
  const channels = Array.from({ length: 16 }, (_, index) => channelHash(`orders.${index}`))
  const arrival = 2 ** 49 - 1 // a million publications a second for 17 years
  assert.ok(encodeCursor({ ephemeral: { node, arrival, channels } }).length < 100)
})

const position: fc.Arbitrary<EphemeralPosition> = fc.record(
  {
    node: fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 16, maxLength: 16 }),
    arrival: fc.maxSafeNat(),
    channels: fc.array(fc.nat(0xffffff), { maxLength: 16 }),
  },
  { noNullPrototype: true },
)

test('every position comes back as it went (PROTOCOL 13.2)', () => {
  fc.assert(
    fc.property(position, (ephemeral) => {
      assert.deepEqual(decodeCursor(encodeCursor({ ephemeral })), { ephemeral })
    }),
    { numRuns: 1000 },
  )
})

test('the widest cursor that is written is read (PROTOCOL 13.4)', () => {
  const channels = Array.from({ length: 100 }, (_, index) => index)
  const ephemeral = { node, arrival: Number.MAX_SAFE_INTEGER, channels }
  const text = encodeCursor({ ephemeral })
  assert.ok(text.length <= 4_096)
  assert.deepEqual(decodeCursor(text), { ephemeral })
  assert.throws(() => encodeCursor({ ephemeral: { ...ephemeral, channels: [...channels, 0] } }))
})

test('a cursor with any one byte changed is refused (PROTOCOL 13.4)', () => {
  fc.assert(
    fc.property(position, fc.nat(), fc.integer({ min: 1, max: 255 }), (ephemeral, at, flip) => {
      const bytes = Buffer.from(encodeCursor({ ephemeral }), 'base64url')
      const index = at % bytes.length
      bytes[index] = (bytes[index] as number) ^ flip
      assert.equal(decodeCursor(bytes.toString('base64url')), undefined)
    }),
    { numRuns: 2000 },
  )
})

test('a cursor with any one character changed, lost or added is refused (PROTOCOL 13.4)', () => {
  const text = 'AQENASNFZ4mrze-sAkb3Q8InPbI'
  for (let at = 0; at < text.length; at += 1) {
    const [head, rest] = [text.slice(0, at), text.slice(at + 1)]
    assert.equal(decodeCursor(head + rest), undefined)
    for (const character of 'AQaz09-_=+/. \n\0é') {
      if (character !== text[at]) assert.equal(decodeCursor(head + character + rest), undefined)
      assert.equal(decodeCursor(head + character + text[at] + rest), undefined)
    }
  }
})

test('other encodings of the same bytes are refused (PROTOCOL 13.4)', () => {
  const wrong = {
    padding: 'AQENASNFZ4mrze-sAkb3Q8InPbI=',
    'standard alphabet': 'AQENASNFZ4mrze+sAkb3Q8InPbI',
    'stray bits': 'AQENASNFZ4mrze-sAkb3Q8InPbJ',
    'white space': 'AQENASNFZ4mrze-sAkb3Q8InPbI ',
  }
  for (const [name, text] of Object.entries(wrong))
    assert.equal(decodeCursor(text), undefined, name)
})

test('what has a right checksum but is not understood whole is refused (PROTOCOL 13.4)', () => {
  const wrong = {
    'nothing at all': '',
    'another version': '02 01 0d 0123456789abcdef ac02 46f743',
    'an unknown section': '01 03 01 00',
    'a section that is empty': '01 01 0d 0123456789abcdef ac02 46f743 02 00',
    'our section twice': '01 01 09 0123456789abcdef 01 01 09 0123456789abcdef 01',
    'a section longer than the rest': '01 01 0e 0123456789abcdef ac02 46f743',
    'a section shorter than the rest': '01 01 0a 0123456789abcdef ac02 46f743',
    'a section without its length': '01 01',
    'a short node': '01 01 07 0123456789abcd',
    'no arrival': '01 01 08 0123456789abcdef',
    'an arrival without its end': '01 01 09 0123456789abcdef 80',
    'an arrival longer than it needs to be': '01 01 0a 0123456789abcdef 8000',
    'an arrival over 2^53 - 1': '01 01 10 0123456789abcdef 8080808080808010',
    'half a hash': '01 01 0b 0123456789abcdef 01 46f7',
  }
  for (const [name, bytes] of Object.entries(wrong)) {
    assert.equal(decodeCursor(cursorOf(bytes)), undefined, name)
  }
  assert.ok(decodeCursor(cursorOf('01 01 10 0123456789abcdef ffffffffffffff0f')) !== undefined)
})

test('a cursor over 100 channels or 4,096 characters is refused (PROTOCOL 13.4)', () => {
  const over = (channels: number): string => {
    const length = toHex(Uint8Array.from(varint(9 + 3 * channels)))
    return cursorOf(`01 01 ${length} ${node} 01 ${'00'.repeat(3 * channels)}`)
  }
  assert.ok(decodeCursor(over(100)) !== undefined)
  assert.equal(decodeCursor(over(101)), undefined)
  assert.equal(decodeCursor(over(1_100)), undefined)
  assert.equal(decodeCursor('A'.repeat(100_000)), undefined)
})

test('any text gives a cursor or nothing, never an exception (PROTOCOL 13.4)', () => {
  const forged = fc.uint8Array({ maxLength: 60 }).map((bytes) => cursorOf(toHex(bytes)))
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.base64String(), forged), (text) => {
      const cursor = decodeCursor(text)
      if (cursor !== undefined) assert.equal(encodeCursor(cursor), text)
    }),
    { numRuns: 3000 },
  )
})
